package configdef

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The format is that of java.util.Properties, but for what cannot have been meant.
func TestParseProperties(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // name=value pairs, each with its line
		problems   string
	}{
		{"empty", "", "", ""},
		{"comments and blank lines", "# one\n\n  ! two\n\t\n", "", ""},
		{"the usual form", "auto.create.topics.enable = true\nlog.roll.ms=1\n", "1 auto.create.topics.enable=true; 2 log.roll.ms=1", ""},
		{"other separators", "a:1\nb :2\n", "1 a=1; 2 b=2", ""},
		{"line ends of other systems", "a=1\r\nb=2\rc=3", "1 a=1; 2 b=2; 3 c=3", ""},
		{"byte order mark", "\ufeffa=1", "1 a=1", ""},
		{"white space around", "  a\t=  1 2 \t\n", "1 a=1 2", ""},
		{"continued", "a=1,\\\n   2,\\\n   3\nb=4", "1 a=1,2,3; 4 b=4", ""},
		{"continued at the end", "a=1\\", "1 a=1", ""},
		{"quoted backslash at the end", `a=1\\` + "\nb=2", `1 a=1\; 2 b=2`, ""},
		{"by number", `a=\u0041\ud83d\ude00`, "1 a=A😀", ""},
		{"separator in the name", `a\=b=c\:d`, "1 a=b=c:d", ""},
		{"empty value", "a=", "1 a=", ""},
		{"separators in the value", "a=b=c", "1 a=b=c", ""},
		{"no separator", "a\nb=1", "2 b=1", "line 1, a: There is no '=' between the name of the property and its value."},
		{"white space is no separator", "a 1", "", "line 1, a: There is no '=' between the name of the property and its value."},
		{"no name", "=1", "", "line 1: There is no name before the '='."},
		{
			"literal line breaks", `a=1\nb=2`, "",
			`line 1, a: The line holds a line break that is written as a backslash and a letter (\n). Put each property on a line of its own.`,
		},
		{"twice", "a=1\nb=2\na=3", "1 a=1; 2 b=2", "line 3, a: The property is set on line 1 already."},
		{"broken number", `a=\u00g0`, "", `line 1, a: \u is not followed by four hex digits`},
		{"number cut short", `a=\u00`, "", `line 1, a: \u is not followed by four hex digits`},
		{"control character", "a=\x00", "", "line 1: The line has the control character U+0000."},
		{"not UTF-8", "a=\xff\nb=1", "2 b=1", "line 1: The line is not UTF-8 text."},
		{"all problems", "a\nb=1\nb=2\n=", "2 b=1", "line 1, a: There is no '=' between the name of the property and its value. | line 3, b: The property is set on line 2 already. | line 4: There is no name before the '='."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			properties, problems := ParseProperties(tt.text)
			var got, bad []string
			for _, p := range properties {
				got = append(got, strconv.Itoa(p.Line)+" "+p.Name+"="+p.Value)
			}
			for _, p := range problems {
				bad = append(bad, p.String())
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
			if s := strings.Join(bad, " | "); s != tt.problems {
				t.Errorf("problems:\n got %s\nwant %s", s, tt.problems)
			}
		})
	}
}

// Whatever comes, the parser neither panics nor makes more of it than there is, names lines that exist, and each name once.
func FuzzParseProperties(f *testing.F) {
	for _, s := range []string{"", "a=1", "a:1\r\nb=2", `a=\u0041\` + "\n b", "#c\n!d\n=", "\ufeffa=\xff\x00", `a=1\nb=2`, "a\n\\\n\\\\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		properties, problems := ParseProperties(text)
		lines := 1 + strings.Count(text, "\n") + strings.Count(text, "\r")
		if len(properties)+len(problems) > lines {
			t.Fatalf("%d properties and %d problems in %d lines", len(properties), len(problems), lines)
		}
		seen := make(map[string]bool)
		last := 0
		for _, p := range properties {
			switch {
			case p.Line <= last || p.Line > lines:
				t.Fatalf("line %d after %d of %d", p.Line, last, lines)
			case seen[p.Name] || p.Name == "":
				t.Fatalf("name %q is there twice, or empty", p.Name)
			case len(p.Name)+len(p.Value) > len(text):
				t.Fatal("more came out than went in")
			case strings.ContainsAny(p.Value, "\n\r\f"):
				t.Fatalf("the value %q has a line break", p.Value)
			}
			seen[p.Name], last = true, p.Line
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Message == "" {
				t.Fatalf("problem %+v of %d lines", p, lines)
			}
			_ = Nearest(p.Property, []string{"log.retention.ms"})
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"log.retention.ms", "log.retention.bytes", "num.partitions", "message.max.bytes", "auto.create.topics.enable"}
	tests := map[string]string{
		"log.retetnion.ms": "log.retention.ms", "log.retention.byte": "log.retention.bytes", "num.partition": "num.partitions", "Num.Partitions": "num.partitions",
		"auto.create.topic.enable": "auto.create.topics.enable", "max.message.bytes": "", "kafka.heap": "", "": "",
		strings.Repeat("x", 200): "",
	}
	for in, want := range tests {
		if got := Nearest(in, names); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestNeedsRestart(t *testing.T) {
	type m = map[string]string
	tests := []struct {
		name     string
		old, now m
		want     []string
	}{
		{"nothing", m{"num.partitions": "1"}, m{"num.partitions": "1"}, nil},
		{"dynamic only", m{"message.max.bytes": "1"}, m{"message.max.bytes": "2", "log.retention.ms": "5", "min.insync.replicas": "2"}, nil},
		{"read-only changed", m{"num.partitions": "1"}, m{"num.partitions": "2"}, []string{"num.partitions"}},
		{"read-only gone", m{"num.partitions": "3"}, m{}, []string{"num.partitions"}},
		{"the default made explicit", m{}, m{"num.partitions": " 1 ", "auto.create.topics.enable": "TRUE"}, nil},
		{"a default made implicit", m{"auto.create.topics.enable": "true"}, m{}, nil},
		{"no default", m{}, m{"replica.selector.class": "x"}, []string{"replica.selector.class"}},
		{"taken at the start", m{}, m{"group.consumer.assignment.interval.ms": "5"}, []string{"group.consumer.assignment.interval.ms"}},
		{"unknown", m{"of.a.newer.version": "1"}, m{"of.a.newer.version": "2"}, []string{"of.a.newer.version"}},
		{"unknown and the same", m{"of.a.newer.version": "1"}, m{"of.a.newer.version": "1"}, nil},
		{"sorted", m{}, m{"num.partitions": "2", "auto.create.topics.enable": "false", "log.retention.hours": "1"}, []string{"auto.create.topics.enable", "log.retention.hours", "num.partitions"}},
	}
	for _, tt := range tests {
		if got := NeedsRestart(tt.old, tt.now); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What a running broker shows as its server.properties: read-only ones as it was started, the others as they are now.
func TestStaticLayer(t *testing.T) {
	started := map[string]string{"num.partitions": "1", "message.max.bytes": "1000", "log.retention.ms": "5", "unknown": "1"}
	now := map[string]string{"num.partitions": "9", "message.max.bytes": "2000", "min.insync.replicas": "2", "newer": "1"}
	want := map[string]string{"num.partitions": "1", "unknown": "1", "message.max.bytes": "2000", "min.insync.replicas": "2"}
	if got := StaticLayer(started, now); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
