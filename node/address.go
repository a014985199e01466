package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"weir/metadata"
)

// PlaintextPort is MSK's port of the plaintext listener.
const PlaintextPort = 9092

// Address is where a broker's listeners are.
type Address struct {
	IP   string
	Port int32 // of the plaintext listener
}

func (a Address) String() string { return net.JoinHostPort(a.IP, strconv.Itoa(int(a.Port))) }

// addresses gives brokers their addresses. A cluster gets a block of its own, 127.a.b.0/24, in which broker n has 127.a.b.n with
// MSK's ports, so that addresses are easy to read; the first cluster's block is 127.0.1. Where such addresses cannot be bound (systems
// other than Linux have 127.0.0.1 only), brokers get distinct ports of 127.0.0.1.
//
// Several nodes may run on a computer, which know nothing of each other. A node reserves each of its addresses with a UDP socket on it:
// the broker's TCP listener comes and goes with its process, and two nodes that start at once must not choose the same block. Claims
// (claims.go) do the same for nodes that do not run at the same time.
type addresses struct {
	free   func(Address) bool               // can be listened on now
	hold   func(Address) (io.Closer, error) // reserves it among nodes
	usable func() bool                      // 127.0.1.1 can be bound at all
	claims *claims

	mu    sync.Mutex
	given map[brokerKey]Address
	held  map[brokerKey]io.Closer
	bad   map[Address]bool // were replaced
}

// brokerKey names a broker of the node.
type brokerKey struct {
	cluster string
	broker  metadata.BrokerID
}

func newAddresses(data string) *addresses {
	return &addresses{
		claims: newClaims(data),
		free:   canBind, hold: reserveUDP, usable: hasLoopbackBlock,
		given: make(map[brokerKey]Address), held: make(map[brokerKey]io.Closer),
		bad: make(map[Address]bool),
	}
}

// Bounds of the search for a place.
const (
	blocks       = 1 << 16
	brokersMax   = 254 // last byte of an address
	blockBrokers = 3   // addresses that must be free in a block, whatever the cluster's size
	portsFrom    = 9092
	portsStep    = 100 // room for the other listeners' ports of a broker
	portsMax     = 500
)

// keep records an address that a broker has already.
func (a *addresses) keep(k brokerKey, addr Address) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given[k] = addr
}

// release forgets a broker that was deleted.
func (a *addresses) release(k brokerKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked(k)
	addr, ok := a.given[k]
	delete(a.given, k)
	if !ok {
		return
	}
	for other, at := range a.given {
		if other.cluster == k.cluster && place(at) == place(addr) {
			return
		}
	}
	a.claims.drop(place(addr), k.cluster)
}

// replace gives the broker another address than it has: its own cannot be used. Nobody else gets that one while this node runs, as what was wrong
// with it is not known.
func (a *addresses) replace(k brokerKey, size int) (Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked(k)
	if addr, ok := a.given[k]; ok {
		a.bad[addr] = true
		delete(a.given, k)
	}
	return a.newLocked(k, size)
}

// place is what is claimed among nodes: a block, or an address and port where there are no blocks.
func place(a Address) string {
	if block := blockOf(a); block > 0 {
		return fmt.Sprintf("127.%d.%d", block>>8, block&255)
	}
	return fmt.Sprintf("%s-%d", a.IP, a.Port)
}

// reserve reserves the address of a broker whose process runs already.
func (a *addresses) reserve(k brokerKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	addr, ok := a.given[k]
	if !ok || a.held[k] != nil {
		return nil
	}
	a.claims.take(place(addr), k.cluster)
	c, err := a.hold(addr)
	if err != nil {
		return inUse(addr, err)
	}
	a.held[k] = c
	return nil
}

func (a *addresses) dropLocked(k brokerKey) {
	if c := a.held[k]; c != nil {
		_ = c.Close()
		delete(a.held, k)
	}
}

// close gives all reservations back.
func (a *addresses) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k := range a.held {
		a.dropLocked(k)
	}
}

// give returns the broker's address, choosing one if it has none, and reserves it. size is how many brokers the cluster has as far as is
// known. An address that somebody else uses is an error that names them.
func (a *addresses) give(k brokerKey, size int) (Address, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	addr, kept := a.given[k]
	if kept {
		a.claims.take(place(addr), k.cluster) // whoever has it: the address is the broker's for life
		return addr, a.takeLocked(k, addr)
	}
	return a.newLocked(k, size)
}

func (a *addresses) newLocked(k brokerKey, size int) (Address, error) {
	for range holdTries {
		addr, err := a.chooseLocked(k, size)
		if err != nil {
			return Address{}, err
		}
		if a.takeLocked(k, addr) == nil {
			a.given[k] = addr
			return addr, nil
		}
	}
	return Address{}, errors.New("every address that was free a moment ago is taken")
}

// holdTries bounds the race with other nodes that choose at the same time.
const holdTries = 10

// takeLocked reserves the address, if it is not reserved yet, and checks that it can be listened on.
func (a *addresses) takeLocked(k brokerKey, addr Address) error {
	if a.held[k] == nil {
		c, err := a.hold(addr)
		if err != nil {
			return inUse(addr, err)
		}
		a.held[k] = c
	}
	if !a.free(addr) {
		return inUse(addr, nil)
	}
	return nil
}

// errInUse means that an address is another's at the moment.
var errInUse = errors.New("is in use")

func inUse(addr Address, cause error) error {
	by := ""
	if cause != nil {
		by = " by another weir"
	}
	if owner := PortOwner(addr); owner != "" {
		by = " by " + owner
	}
	return fmt.Errorf("its address %s %w%s", addr, errInUse, by)
}

func (a *addresses) chooseLocked(k brokerKey, size int) (Address, error) {
	if !a.usable() {
		return a.choosePortLocked(k)
	}
	if k.broker < 1 || k.broker > brokersMax {
		return Address{}, fmt.Errorf("broker %d: a cluster's brokers on one machine are numbered 1 to %d", k.broker, brokersMax)
	}
	taken := make(map[int]bool)
	for other, addr := range a.given {
		block := blockOf(addr)
		if other.cluster != k.cluster {
			taken[block] = true
			continue
		}
		if mine := inBlock(block, k.broker); block > 0 && !a.bad[mine] && a.free(mine) {
			return mine, nil
		}
	}
	for block := 1; block < blocks; block++ {
		mine := inBlock(block, k.broker)
		// Claims come first: to look whether an address is free is to have it for a moment, in which its broker could not start.
		if !taken[block] && !a.bad[mine] && !a.claims.others(place(mine), k.cluster) &&
			a.blockFree(block, max(size, blockBrokers, int(k.broker))) && a.claims.take(place(mine), k.cluster) {
			return mine, nil
		}
	}
	return Address{}, errors.New("no block of addresses in 127.0.0.0/8 is free")
}

func (a *addresses) blockFree(block, size int) bool {
	for b := 1; b <= min(size, brokersMax); b++ {
		addr := inBlock(block, metadata.BrokerID(b))
		c, err := a.hold(addr)
		if err != nil {
			return false
		}
		_ = c.Close()
		if !a.free(addr) {
			return false
		}
	}
	return true
}

func (a *addresses) choosePortLocked(k brokerKey) (Address, error) {
	taken := make(map[Address]bool)
	for _, addr := range a.given {
		taken[addr] = true
	}
	for i := range portsMax {
		addr := Address{IP: "127.0.0.1", Port: int32(portsFrom + i*portsStep)}
		if !taken[addr] && !a.bad[addr] && !a.claims.others(place(addr), k.cluster) && a.free(addr) && a.claims.take(place(addr), k.cluster) {
			return addr, nil
		}
	}
	return Address{}, errors.New("no port of 127.0.0.1 is free for a broker")
}

func inBlock(block int, b metadata.BrokerID) Address {
	return Address{IP: fmt.Sprintf("127.%d.%d.%d", block>>8, block&255, b), Port: PlaintextPort}
}

// blockOf is the inverse of inBlock, and 0 for an address that is in no block.
func blockOf(a Address) int {
	ip := net.ParseIP(a.IP).To4()
	if ip == nil || ip[0] != 127 {
		return 0
	}
	return int(ip[1])<<8 | int(ip[2])
}

// reserveUDP takes the UDP port of the same number. Nothing is received on it.
func reserveUDP(a Address) (io.Closer, error) {
	return net.ListenPacket("udp4", a.String())
}

func canBind(a Address) bool {
	l, err := net.Listen("tcp4", a.String())
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func hasLoopbackBlock() bool { return canBind(Address{IP: "127.0.1.1"}) }
