package configdef

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Property is one line of a properties file, such as server.properties.
type Property struct {
	Line  int // where it begins, from 1
	Name  string
	Value string
}

// Problem is something that is wrong with a line of a properties file, or with one property. Line is zero where no line can be named.
type Problem struct {
	Line     int
	Property string // empty if the line has none that can be read
	Message  string // a sentence
}

// String is the problem with its place.
func (p Problem) String() string {
	var where string
	if p.Line > 0 {
		where = "line " + strconv.Itoa(p.Line)
	}
	if p.Property != "" {
		if where != "" {
			where += ", "
		}
		where += p.Property
	}
	if where == "" {
		return p.Message
	}
	return where + ": " + p.Message
}

// ParseProperties reads text as Java reads a properties file: one property a line, its name ended by "=", ":" or white space; lines that begin with # or !
// are comments; a backslash at the end of a line continues it, and before another character quotes it (\uXXXX is a character by number).
//
// It differs where Java would accept what cannot have been meant. It finds: bytes that are not UTF-8, control characters, a name without "=" or ":" after
// it, an empty name, a broken \uXXXX, line breaks inside of a value (\n, \r and \f as two characters, which is what becomes of a file that was quoted once
// too often), and a name that is there twice. Properties of lines with problems are left out. All problems are found, in the order of their lines.
func ParseProperties(text string) ([]Property, []Problem) {
	p := propertiesParser{first: make(map[string]int)}
	text = strings.TrimPrefix(text, "\ufeff")
	// A carriage return ends a line as well, alone or before a line feed.
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		number, line := i+1, trimStart(lines[i])
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		if continues(line) {
			var whole strings.Builder
			for continues(line) && i+1 < len(lines) {
				whole.WriteString(line[:len(line)-1])
				i++
				line = trimStart(lines[i])
			}
			if continues(line) { // nothing comes after it
				line = line[:len(line)-1]
			}
			whole.WriteString(line)
			line = whole.String()
		}
		if line != "" {
			p.line(number, line)
		}
	}
	return p.found, p.problems
}

type propertiesParser struct {
	found    []Property
	problems []Problem
	first    map[string]int // the line on which a name was first
}

func (p *propertiesParser) problem(line int, name, format string, args ...any) {
	p.problems = append(p.problems, Problem{Line: line, Property: name, Message: fmt.Sprintf(format, args...)})
}

func (p *propertiesParser) line(number int, line string) {
	if !utf8.ValidString(line) {
		p.problem(number, "", "The line is not UTF-8 text.")
		return
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' && r != '\f' || r == 0x7f }); i >= 0 {
		p.problem(number, "", "The line has the control character %U.", line[i])
		return
	}
	end := separator(line)
	name, err := unquote(line[:end])
	if err != nil {
		p.problem(number, "", "%s", err)
		return
	}
	rest := trimStart(line[end:])
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		p.problem(number, short(name), "There is no '=' between the name of the property and its value.")
		return
	}
	if name == "" {
		p.problem(number, "", "There is no name before the '%c'.", rest[0])
		return
	}
	raw := strings.TrimRight(trimStart(rest[1:]), " \t\f")
	value, err := unquote(raw)
	switch first, twice := p.first[name]; {
	case err != nil:
		p.problem(number, short(name), "%s", err)
	case strings.ContainsAny(value, "\n\r\f") || strings.ContainsAny(name, "\n\r\f"):
		p.problem(number, short(name), `The line holds a line break that is written as a backslash and a letter (\n). Put each property on a line of its own.`)
	case twice:
		p.problem(number, short(name), "The property is set on line %d already.", first)
	default:
		p.first[name] = number
		p.found = append(p.found, Property{Line: number, Name: name, Value: value})
	}
}

// shownMax is how much of a text that is no known name is repeated in a message.
const shownMax = 80

func short(name string) string {
	if len(name) <= shownMax {
		return name
	}
	i := shownMax
	for !utf8.RuneStart(name[i]) {
		i--
	}
	return name[:i] + "..."
}

func trimStart(s string) string { return strings.TrimLeft(s, " \t\f") }

// continues tells whether the line ends with a backslash that is not quoted itself.
func continues(line string) bool {
	n := 0
	for n < len(line) && line[len(line)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// separator is where the name at the start of the line ends.
func separator(line string) int {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(line)
}

// unquote resolves backslashes.
func unquote(s string) (string, error) {
	if !strings.ContainsRune(s, '\\') {
		return s, nil
	}
	var b strings.Builder
	var units []uint16 // of \u, whose pairs of surrogates are one character
	flush := func() {
		b.WriteString(string(utf16.Decode(units)))
		units = units[:0]
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			flush()
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'u' {
			if i+4 >= len(s) {
				return "", fmt.Errorf(`\u is not followed by four hex digits`)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`\u is not followed by four hex digits`)
			}
			units = append(units, uint16(n))
			i += 4
			continue
		}
		flush()
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 't':
			b.WriteByte('\t')
		default:
			b.WriteByte(s[i])
		}
	}
	flush()
	return b.String(), nil
}
