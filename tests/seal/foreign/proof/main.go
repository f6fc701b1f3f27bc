// Command proof checks a .tlog-proof with golang.org/x/mod/sumdb/tlog and note, and prints the index of the leaf.
// Usage: proof FILE VERIFIER_KEY. The exit code is 1 if the proof proves nothing.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	index, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("proven", index)
}

func check(path, key string) (int64, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	head, signed, _ := strings.Cut(string(content), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return 0, fmt.Errorf("no tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return 0, err
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return 0, err
	}
	var extra struct{ Entry string }
	if err := json.Unmarshal(text, &extra); err != nil {
		return 0, err
	}
	hashes := make(tlog.RecordProof, len(lines)-3)
	for n, line := range lines[3:] {
		if hashes[n], err = tlog.ParseHash(line); err != nil {
			return 0, err
		}
	}
	size, root, err := open(signed, key)
	if err != nil {
		return 0, err
	}
	return index, tlog.CheckRecord(hashes, size, root, index, tlog.RecordHash([]byte(extra.Entry)))
}

// open returns size and root of a checkpoint that the key has signed.
func open(signed, key string) (int64, tlog.Hash, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return 0, tlog.Hash{}, fmt.Errorf("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return size, root, err
}
