package daemon

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

// Version is the program's.
const Version = "0.1.0-dev"

// VersionInfo is what `weir version` says.
type VersionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadVersion describes the running program.
func ReadVersion() VersionInfo {
	v := VersionInfo{Version: Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return v
}

// buildID tells builds of the program apart: two programs with the same id are the same code. It is the id that the Go linker derives from
// the content, or, where the format is not known here, the size and time of the file.
func buildID(program string) (string, error) {
	if f, err := elf.Open(program); err == nil {
		defer f.Close()
		if s := f.Section(".note.go.buildid"); s != nil {
			if note, err := s.Data(); err == nil {
				sum := sha256.Sum256(note)
				return hex.EncodeToString(sum[:12]), nil
			}
		}
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", fmt.Errorf("identify the program: %w", err)
	}
	return fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano()), nil
}
