package segment

// combine returns the CRC-32C of a followed by b, of which the checksums are given, and b's length. The data is not looked at: the
// checksum of a chunk costs nothing beside those of its blocks, and of a block of one large batch nothing beside the batch's own.
//
// A CRC is the remainder of a polynomial over GF(2), so appending n bytes to a multiplies its remainder by x^(8n).
func combine(a, b uint32, lenB uint64) uint32 { return multiply(power(lenB), a) ^ b }

// joiner is combine for many pieces, of which neighbours often have the same length. The zero value is ready.
type joiner struct {
	n uint64
	p uint32 // power(n)
}

func (j *joiner) combine(a, b uint32, lenB uint64) uint32 {
	if j.n != lenB || j.p == 0 {
		j.n, j.p = lenB, power(lenB)
	}
	return multiply(j.p, a) ^ b
}

// polynomial is Castagnoli's, the coefficient of x^0 in the highest bit, as all values here.
const polynomial = 0x82f63b78

// multiply is a product modulo the polynomial.
func multiply(a, b uint32) uint32 {
	var p uint32
	for ; a != 0; a <<= 1 {
		p ^= b & -(a >> 31)
		b = b>>1 ^ polynomial&-(b&1)
	}
	return p
}

// squares holds x^(2^k) in place k.
//
//nolint:gochecknoglobals // a constant table
var squares = func() (t [64 + 3]uint32) {
	t[0] = 1 << 30 // x
	for k := 1; k < len(t); k++ {
		t[k] = multiply(t[k-1], t[k-1])
	}
	return t
}()

// power is x^(8n).
func power(n uint64) uint32 {
	p := uint32(1 << 31) // 1
	for k := 3; n != 0; n, k = n>>1, k+1 {
		if n&1 != 0 {
			p = multiply(squares[k], p)
		}
	}
	return p
}
