package disk

import "unsafe"

// AlignedBuffer returns n bytes, a multiple of DirectAlign, that WriteDirect can write without a copy.
func AlignedBuffer(n int) []byte {
	b := make([]byte, n+DirectAlign)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (DirectAlign - 1))
	return b[skip : skip+n : skip+n]
}
