package authn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func TestRootIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	first, err := LoadOrCreateRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.AccessKeyID) || len(first.SecretAccessKey) != 40 {
		t.Errorf("key %q, secret of %d characters", first.AccessKeyID, len(first.SecretAccessKey))
	}
	if got := first.AccessKey().Principal.ARN; got != "arn:aws:iam::000000000000:root" {
		t.Errorf("principal %s", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	again, err := LoadOrCreateRoot(path)
	if err != nil || again != first {
		t.Errorf("second load: %v, %v", again, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files left behind: %v", entries)
	}
}

func TestRootIsOneForAllWhoStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	var wg sync.WaitGroup
	got := make([]Root, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = LoadOrCreateRoot(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range got {
		if r != got[0] {
			t.Errorf("got %v and %v", r, got[0])
		}
	}
}

func TestRootRefusesWhatIsNotSafe(t *testing.T) {
	good := `{"account":"000000000000","accessKeyId":"AKIAABCDEFGHIJKLMNOP","secretAccessKey":"` + strings.Repeat("s", 40) + `"}`
	tests := []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"readable by others", good, 0o644, "chmod 600"},
		{"damaged", good[:20], 0o600, "damaged"},
		{"incomplete", `{"account":"000000000000"}`, 0o600, "incomplete"},
		{"empty", "", 0o600, "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials.json")
			if err := errors.Join(os.WriteFile(path, []byte(tt.content), 0o600), os.Chmod(path, tt.mode)); err != nil { // whatever the umask
				t.Fatal(err)
			}
			_, err := LoadOrCreateRoot(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if b, _ := os.ReadFile(path); string(b) != tt.content {
				t.Error("the file was changed")
			}
		})
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	r := Root{Account: AccountID, AccessKeyID: "AKIAABCDEFGHIJKLMNOP", SecretAccessKey: "canary"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, r) + fmt.Sprintf(verb, r.AccessKey()); strings.Contains(s, "canary") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

func TestKeysKnowOnlyRoot(t *testing.T) {
	keys := NewKeys(Root{Account: AccountID, AccessKeyID: "AKIAABCDEFGHIJKLMNOP", SecretAccessKey: "s"})
	if k, err := keys.AccessKey(t.Context(), "AKIAABCDEFGHIJKLMNOP"); err != nil || k.Secret.Reveal() != "s" {
		t.Errorf("%v, %v", k, err)
	}
	for _, id := range []string{"", "AKIAABCDEFGHIJKLMNOQ", "root"} {
		if _, err := keys.AccessKey(t.Context(), id); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := NewKeys(Root{}).AccessKey(t.Context(), ""); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("the zero ring knows the empty key: %v", err)
	}
}
