package partition

import (
	"runtime"
	"strings"

	"weir/kafka/configdef"
	"weir/storage/batch"
)

// recodersMax is how many batches are decompressed or compressed at once, whatever the number of processors: each may take DecodedBytesMax.
const recodersMax = 4

// recoders are used in turn.
type recoders struct{ free chan *batch.Recoder }

func newRecoders(limit int) *recoders {
	r := &recoders{free: make(chan *batch.Recoder, min(runtime.GOMAXPROCS(0), recodersMax))}
	for range cap(r.free) {
		r.free <- batch.NewRecoder(batch.NewDecoder(limit))
	}
	return r
}

// Compression says how batches of clients are stored.
type Compression struct {
	Recompress bool // with Codec, whatever they come with (compression.type)
	Codec      batch.Codec
	Levels     batch.Levels
	Inspect    bool // the records of compressed ones are looked at (weir.validate.compressed)
}

func compressionFrom(l configdef.Layers) Compression {
	c := Compression{Recompress: true, Inspect: strings.EqualFold(l.TopicString("weir.validate.compressed"), "true")}
	switch l.TopicString("compression.type") {
	case "uncompressed":
		c.Codec = batch.None
	case "gzip":
		c.Codec = batch.Gzip
	case "snappy":
		c.Codec = batch.Snappy
	case "lz4":
		c.Codec = batch.LZ4
	case "zstd":
		c.Codec = batch.Zstd
	default:
		c.Recompress = false
		return c
	}
	c.Levels = batch.Levels{
		Gzip: int(l.TopicInt("compression.gzip.level")), LZ4: int(l.TopicInt("compression.lz4.level")), Zstd: int(l.TopicInt("compression.zstd.level")),
	}
	return c
}

// recode decompresses, checks and compresses a's one batch as the topic wants it. No lock is held.
func (p *Partition) recode(a *Append, cfg *LogConfig, rules batch.Rules) error {
	from, c := batch.CodecOf(a.Batches), &cfg.Compression
	to := from
	if c.Recompress {
		to = c.Codec
	}
	if to == from && (!c.Inspect || from == batch.None) { // what is not compressed was looked at
		return nil
	}
	r := <-p.leaders.recode.free
	defer func() { p.leaders.recode.free <- r }()
	out, err := r.Recode(a.Batches, rules, to, c.Levels)
	if err != nil {
		return err
	}
	if to != from {
		a.Batches, a.Buffer = out, nil
	}
	return nil
}
