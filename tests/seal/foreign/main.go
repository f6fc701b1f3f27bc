// Command foreign checks a log with Tessera's verifier and prints its size. Usage: foreign URL VERIFIER_KEY, with the API
// key in KEY. The exit code is 1 if the log is not what its checkpoint says.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("checked")
}

func check(address, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	root, err := url.Parse(address)
	if err != nil {
		return err
	}
	log, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		return err
	}
	log.SetAuthorizationHeader("Bearer " + os.Getenv("KEY"))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return fsck.New(verifier.Name(), verifier, log, leaves, fsck.Opts{N: 2}).Check(ctx)
}

// leaves hashes the entries of a bundle.
func leaves(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, len(entries.Entries))
	for n, entry := range entries.Entries {
		hashes[n] = rfc6962.DefaultHasher.HashLeaf(entry)
	}
	return hashes, nil
}
