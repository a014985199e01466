package tier

import (
	"strings"
	"testing"
	"time"
)

func TestParseSetsWhatIsNamed(t *testing.T) {
	c, err := Parse("flush-age=90s, flush-bytes=512MiB,merge-count=8,journal-limit=-1,")
	if err != nil {
		t.Fatal(err)
	}
	if c.FlushAge != 90*time.Second || c.FlushBytes != 512<<20 || c.MergeCount != 8 || c.JournalLimit != -1 || c.OwnBytes != 0 {
		t.Errorf("parsed %+v", c)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"flush":                              "name=value",
		"flush-agee=1s":                      "flush-age",
		"flush-age=1":                        "missing unit",
		"flush-bytes=2GB":                    "2GiB",
		"flush-bytes=9223372036854775807GiB": "number of bytes",
		"merge-count=x":                      "merge-count",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", text, err, want)
		}
	}
}
