// Command weir is Amazon MSK on any machine: see README.md. Its subcommands are roles (up, broker) and questions to a running weir up.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
