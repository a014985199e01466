package group

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// regexBytesMax bounds a subscription's regular expression, regexesMax how many different ones a group may have: each is matched against
	// the names of all topics once, and against those that come later.
	regexBytesMax = 4096
	regexesMax    = 1000
)

// resolved is a regular expression of a group, and the topics that it matches now.
type resolved struct {
	re         *regexp.Regexp // nil until it is used after a replay
	users      int            // members that subscribe with it
	topics     []string       // sorted
	version    int64          // of the record; grows with each change
	resolvedMs int64
}

// compileRegex reads an RE2 expression, which a topic's whole name must match.
func compileRegex(expr string) (*regexp.Regexp, error) {
	if len(expr) > regexBytesMax {
		return nil, fmt.Errorf("%w: the expression has %d bytes, the limit is %d", kerr.InvalidRegularExpression, len(expr), regexBytesMax)
	}
	if _, err := regexp.Compile(expr); err != nil { // by itself: `a)(b` is none
		return nil, fmt.Errorf("%w: SubscribedTopicRegex `%s` is not a valid regular expression: %w", kerr.InvalidRegularExpression, expr, err)
	}
	re, err := regexp.Compile(`\A(?:` + expr + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kerr.InvalidRegularExpression, err)
	}
	return re, nil
}

// dropRegex counts a subscription less, and forgets an expression that nobody uses.
func (g *consumer) dropRegex(expr string) {
	r := g.regexes[expr]
	if r == nil {
		return
	}
	if r.users--; r.users <= 0 {
		delete(g.regexes, expr)
		g.put(regexRecord(g.id, expr, nil))
	}
}

// resolve matches the expression against all topics and puts its record if that changed. Subscriptions are not counted here.
func (g *consumer) resolve(expr string, r *resolved) {
	if r.re == nil {
		re, err := compileRegex(expr)
		if err != nil { // it was valid when it was written
			g.state.log.Error("regular expression of a group cannot be read", "group", g.id, "err", err)
			return
		}
		r.re = re
	}
	var topics []string
	for _, name := range g.state.catalog.names() {
		if r.re.MatchString(name) {
			topics = append(topics, name)
		}
	}
	if r.resolvedMs == 0 || !slices.Equal(topics, r.topics) {
		g.setTopics(expr, r, topics)
	}
}

func (g *consumer) setTopics(expr string, r *resolved, topics []string) {
	for range r.users {
		for _, t := range r.topics {
			g.unsubscribe(t)
		}
		for _, t := range topics {
			g.subscribe(t)
		}
	}
	r.topics, r.resolvedMs = topics, time.Now().UnixMilli()
	r.version++
	g.put(regexRecord(g.id, expr, r))
}

// matchAgain brings the expressions up to date after the topics of these names came or went.
func (g *consumer) matchAgain(names []string) {
	for expr, r := range g.regexes {
		if r.re == nil {
			continue
		}
		topics := slices.Clone(r.topics)
		for _, name := range names {
			if !r.re.MatchString(name) {
				continue
			}
			at, known := slices.BinarySearch(topics, name)
			_, exists := g.state.catalog.byName(name)
			switch {
			case exists && !known:
				topics = slices.Insert(topics, at, name)
			case !exists && known:
				topics = slices.Delete(topics, at, at+1)
			}
		}
		if !slices.Equal(topics, r.topics) {
			g.setTopics(expr, r, topics)
		}
	}
}
