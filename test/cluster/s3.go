package cluster

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// S3 is an S3-compatible server with an empty store.
type S3 struct {
	Endpoint    string // http://host:port
	Credentials string // file with its access key, as the AWS CLI has it
	AccessKey   string
	SecretKey   string
}

// StartS3 starts versitygw over a temporary folder. The test's end stops it.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	program := tool(t, "versitygw", "versitygw")
	const host = "127.0.0.1"
	address := net.JoinHostPort(host, strconv.Itoa(FreePort(t, host)))
	s := &S3{Endpoint: "http://" + address, AccessKey: "channelstest", SecretKey: "channels-test-secret", Credentials: filepath.Join(t.TempDir(), "s3")}
	content := "[default]\naws_access_key_id = " + s.AccessKey + "\naws_secret_access_key = " + s.SecretKey + "\n"
	if err := os.WriteFile(s.Credentials, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}, program,
		"--port", address, "--region", "us-east-1", "posix", t.TempDir())
	t.Cleanup(func() {
		p.Kill()
		<-p.Exited()
	})
	Eventually(t, startLimit, func() error {
		select {
		case <-p.Exited():
			t.Fatalf("versitygw ended at its start:\n%s%s", p.Stdout(), p.Stderr())
		default:
		}
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return s
}
