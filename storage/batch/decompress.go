package batch

import "fmt"

// Decompress returns what b was compressed from with the codec, as clients do it (snappy with or without frames); b itself for None. More bytes than the
// decoder's limit are an error.
func (d *Decoder) Decompress(c Codec, b []byte) ([]byte, error) {
	if c == None && len(b) > d.limit {
		return nil, errTooLarge
	}
	out, err := d.decompress(c, b)
	if err != nil {
		return nil, fmt.Errorf("batch: decompress %v: %w", c, err)
	}
	return out, nil
}
