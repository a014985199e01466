package script

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestScripts runs testdata/*.txtar once.
func TestScripts(t *testing.T) {
	for _, file := range scripts(t, "*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			run(t, file, 1)
		})
	}
}

// TestAWSCLI runs testdata/aws/*.txtar with the AWS CLI of both generations: their wire forms differ.
func TestAWSCLI(t *testing.T) {
	for generation := 1; generation <= 2; generation++ {
		t.Run("v"+strconv.Itoa(generation), func(t *testing.T) {
			t.Parallel()
			for _, file := range scripts(t, "aws/*.txtar") {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
					t.Parallel()
					run(t, file, generation)
				})
			}
		})
	}
}

// scripts are the files, the longest first: they are run side by side, and the last one should not be waited for alone.
func scripts(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s: %v", pattern, err)
	}
	slices.SortStableFunc(files, func(a, b string) int { return cmp.Compare(size(t, b), size(t, a)) })
	return files
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// session is what one script has started.
type session struct {
	t          *testing.T
	weir       *cluster.Weir
	generation int // of the AWS CLI
}

func run(t *testing.T, file string, generation int) {
	t.Helper()
	s := &session{t: t, generation: generation}
	testscript.RunT(inPlace{t}, testscript.Params{
		Files:              []string{file},
		RequireUniqueNames: true,
		Setup:              s.setup,
		Cmds:               s.commands(),
	})
}

// inPlace runs a script in the test that asked for it, so that what the script starts ends with that test.
type inPlace struct{ *testing.T }

func (p inPlace) Run(_ string, f func(testscript.T)) { f(p) }
func (p inPlace) Verbose() bool                      { return testing.Verbose() }
func (p inPlace) Parallel()                          {} // its test is

// setup gives the script a data directory and an API address of its own, and `weir` on its PATH.
func (s *session) setup(e *testscript.Env) error {
	s.weir = cluster.NewWeir(s.t, cluster.Options{})
	bin := filepath.Join(e.WorkDir, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(cluster.Binary(s.t), filepath.Join(bin, "weir")); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(s.weir.API)
	if err != nil {
		return err
	}
	e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("DATA", s.weir.Data)
	e.Setenv("API", s.weir.API)
	e.Setenv("API_PORT", port)
	e.Setenv("MODELS", filepath.Join(cluster.Root(), "awsapi", "models"))
	return nil
}

func (s *session) commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// up [flags] starts `weir up` on $DATA and $API, waits until it is ready, and sets what `weir env` exports.
		"up": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("up cannot be negated; use: ! exec weir up")
			}
			for _, a := range args {
				switch a {
				case "--demo=false":
					s.weir.Demo(false)
				default:
					ts.Fatalf("up: unknown flag %s", a)
				}
			}
			s.weir.Up(s.t)
			for _, e := range s.weir.Env() {
				name, value, _ := strings.Cut(e, "=")
				ts.Setenv(name, value)
			}
		},
		// said REGEXP: what `weir up` has printed comes to match. It serves a moment before it says so.
		"said": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("said cannot be negated: it may yet say so")
			}
			want := regexp.MustCompile("(?m)" + args[0])
			cluster.Eventually(s.t, time.Minute, func() error {
				if text := s.weir.Process.Stdout() + s.weir.Process.Stderr(); !want.MatchString(text) {
					return fmt.Errorf("weir up has printed:\n%s", text)
				}
				return nil
			})
		},
		// interrupt presses Ctrl-C and waits for the end of `weir up`; nothing may be left running.
		"interrupt": func(*testscript.TestScript, bool, []string) {
			s.weir.Stop(s.t)
			s.weir.CheckNothingRuns(s.t)
		},
		// kill9 ends `weir up` as kill -9 does; its brokers go on.
		"kill9": func(*testscript.TestScript, bool, []string) { s.weir.KillAll() },
		// brokers N: so many broker processes run, after a while.
		"brokers": func(ts *testscript.TestScript, _ bool, args []string) {
			want, err := strconv.Atoi(args[0])
			ts.Check(err)
			cluster.Eventually(s.t, time.Minute, func() error {
				if got := len(s.weir.Brokers()); got != want {
					return fmt.Errorf("%d broker processes run, want %d", got, want)
				}
				return nil
			})
		},
		// killbroker N ends one broker process as kill -9 does.
		"killbroker": func(*testscript.TestScript, bool, []string) { s.weir.KillBroker(s.t, s.weir.Brokers()[0]) },
		// aws ARGS runs the AWS CLI of the generation under test.
		"aws": func(ts *testscript.TestScript, neg bool, args []string) {
			argv := s.aws(ts)
			err := ts.Exec(argv[0], append(argv[1:], args...)...)
			if (err != nil) != neg {
				ts.Fatalf("aws %s: error %v, want one: %v\n%s%s", strings.Join(args, " "), err, neg, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
			}
		},
		// until REGEXP COMMAND runs a command again and again until its output matches.
		"until": func(ts *testscript.TestScript, _ bool, args []string) {
			want := regexp.MustCompile("(?m)" + args[0])
			argv := args[1:]
			if argv[0] == "aws" {
				argv = append(s.aws(ts), argv[1:]...)
			}
			cluster.Eventually(s.t, 2*time.Minute, func() error {
				err := ts.Exec(argv[0], argv[1:]...)
				if out := ts.ReadFile("stdout"); !want.MatchString(out) {
					return fmt.Errorf("%v printed %q (error %v, %s), want %s", args[1:], out, err, ts.ReadFile("stderr"), want)
				}
				return nil
			})
		},
		// setvar NAME sets a variable to the last command's output.
		"setvar": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
		},
		// roundtrip BOOTSTRAP TOPIC produces one record to the topic, made if need be, and reads all of it back: N records are there then.
		"roundtrip": func(ts *testscript.TestScript, _ bool, args []string) {
			want, err := strconv.Atoi(args[2])
			ts.Check(err)
			ts.Check(roundTrip(s.t, args[0], args[1], want))
		},
		// alter BOOTSTRAP TOPIC NAME VALUE sets a config of the topic. Negated, it has a REGEXP more, which the broker's refusal matches. What a tag of
		// the cluster has just changed may reach brokers a moment later, so it is tried again for a while.
		"alter": func(ts *testscript.TestScript, neg bool, args []string) {
			if len(args) != 4 && (!neg || len(args) != 5) {
				ts.Fatalf("usage: alter BOOTSTRAP TOPIC NAME VALUE, or ! alter BOOTSTRAP TOPIC NAME VALUE REGEXP")
			}
			cluster.Eventually(s.t, time.Minute, func() error {
				refusal, err := alter(s.t, args[0], args[1], args[2], args[3])
				switch {
				case err != nil:
					return err
				case neg && (refusal == "" || !regexp.MustCompile(args[4]).MatchString(refusal)):
					return fmt.Errorf("refused with %q, want %s", refusal, args[4])
				case !neg && refusal != "":
					return fmt.Errorf("refused: %s", refusal)
				}
				return nil
			})
		},
		// closed ADDRESS,...: no process of this `weir up` accepts connections there.
		"closed": func(ts *testscript.TestScript, _ bool, args []string) {
			for address := range strings.SplitSeq(args[0], ",") {
				if s.weir.Listens(s.t, address) {
					ts.Fatalf("%s still accepts connections", address)
				}
			}
		},
		// gone TEXT: no file or folder under $DATA has the text in its name, and no key of the metadata store.
		"gone": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(filepath.WalkDir(s.weir.Data, func(path string, _ os.DirEntry, err error) error {
				if err == nil && strings.Contains(filepath.Base(path), args[0]) {
					err = fmt.Errorf("%s is left behind", path)
				}
				return err
			}))
			keys, err := s.weir.Keys(s.t.Context())
			ts.Check(err)
			for _, key := range keys {
				if strings.Contains(key, args[0]) {
					ts.Fatalf("the key %s is left behind", key)
				}
			}
		},
		// nowhere TEXT: no file under $DATA has the text in it.
		"nowhere": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(filepath.WalkDir(s.weir.Data, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				content, err := os.ReadFile(path)
				if err == nil && bytes.Contains(content, []byte(args[0])) {
					err = fmt.Errorf("%s contains %s", path, args[0])
				}
				return err
			}))
		},
		// damage GLOB BYTE flips a bit of the byte in each file below $DATA that matches.
		"damage": func(ts *testscript.TestScript, _ bool, args []string) {
			at, err := strconv.Atoi(args[1])
			ts.Check(err)
			files, err := filepath.Glob(filepath.Join(s.weir.Data, args[0]))
			ts.Check(err)
			if len(files) == 0 {
				ts.Fatalf("no file matches %s", args[0])
			}
			for _, file := range files {
				content, err := os.ReadFile(file)
				ts.Check(err)
				content[at] ^= 1
				ts.Check(os.WriteFile(file, content, 0o600))
			}
		},
		// occupied holds the port of $API, as another program would.
		"occupied": func(ts *testscript.TestScript, _ bool, _ []string) {
			l, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.weir.API)
			ts.Check(err)
			ts.Defer(func() { l.Close() })
		},
		// exits CODE COMMAND...: the command ends by itself with that exit code. Its output is in the files stdout.txt and stderr.txt.
		"exits": func(ts *testscript.TestScript, _ bool, args []string) {
			var env []string
			for _, name := range []string{"PATH", "HOME", "AWS_ENDPOINT_URL"} {
				env = append(env, name+"="+ts.Getenv(name))
			}
			argv := args[1:]
			if argv[0] == "weir" {
				argv[0] = cluster.Binary(s.t)
			}
			p := cluster.Spawn(s.t, env, argv...)
			code := p.Wait(s.t, time.Minute)
			ts.Check(os.WriteFile(ts.MkAbs("stdout.txt"), []byte(p.Stdout()), 0o600))
			ts.Check(os.WriteFile(ts.MkAbs("stderr.txt"), []byte(p.Stderr()), 0o600))
			if strconv.Itoa(code) != args[0] {
				ts.Fatalf("exit code %d, want %s\nstdout: %s\nstderr: %s", code, args[0], p.Stdout(), p.Stderr())
			}
			if bytes.Contains([]byte(p.Stderr()), []byte("goroutine ")) {
				ts.Fatalf("a stack trace at the terminal:\n%s", p.Stderr())
			}
		},
		// twice presses Ctrl-C two times: `weir up` ends at once.
		"twice": func(*testscript.TestScript, bool, []string) {
			s.weir.Process.Signal(os.Interrupt)
			s.weir.Process.Signal(syscall.SIGINT)
			s.weir.Process.Wait(s.t, time.Minute)
			s.weir.CheckNothingRuns(s.t)
		},
	}
}

// aws is the start of an AWS CLI's command line. Generation 2 knows AWS_ENDPOINT_URL since 2.13, and Debian's package is older.
func (s *session) aws(ts *testscript.TestScript) []string {
	argv := []string{cluster.AWS(s.t, s.generation)}
	if s.generation == 2 {
		argv = append(argv, "--endpoint-url", ts.Getenv("AWS_ENDPOINT_URL"))
	}
	return argv
}

// alter sets a config of a topic, and returns what the broker says against it.
func alter(t *testing.T, bootstrap, topic, name, value string) (refusal string, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	answers, err := kadm.NewClient(cl).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err != nil {
		return "", fmt.Errorf("alter topic %s: %w", topic, err)
	}
	answer, err := answers.On(topic, nil)
	if err != nil {
		return "", fmt.Errorf("alter topic %s: %w", topic, err)
	}
	if answer.Err != nil {
		return answer.Err.Error() + ": " + answer.ErrMessage, nil
	}
	return "", nil
}

// roundTrip produces one record and reads the topic from its start: count records must be there.
func roundTrip(t *testing.T, bootstrap, topic string, count int) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if topics, err := admin.ListTopics(ctx, topic); err != nil || !topics.Has(topic) {
		// Who was asked may not have known of it yet.
		if _, err := admin.CreateTopic(ctx, 3, -1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("hello")}).FirstErr(); err != nil {
		return fmt.Errorf("produce to %s: %w", topic, err)
	}
	for n := 0; n < count; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("%d of %d records: %w", n, count, err)
		}
		n += fetches.NumRecords()
		if n > count {
			return fmt.Errorf("%d records, want %d", n, count)
		}
	}
	return nil
}
