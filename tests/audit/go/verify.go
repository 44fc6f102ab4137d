// Verifies what Remit signed and proved with the code of Go's checksum database (golang.org/x/mod/sumdb).
//
// Reads lines from standard input:
//
//	vkey KEY
//	note BASE64                                 a signed checkpoint
//	include SIZE INDEX ROOT LEAF NODE,NODE,...  an inclusion proof (base64 hashes)
//	extend OLD NEW ROOT1 ROOT2 NODE,NODE,...    a consistency proof
//
// and prints how many of each held; the first that does not ends the program with status 1.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(line int, why interface{}) {
	fmt.Printf("line %d: %v\n", line, why)
	os.Exit(1)
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func hash(text string) tlog.Hash {
	value, err := tlog.ParseHash(text)
	if err != nil {
		panic(err)
	}
	return value
}

func hashes(text string) []tlog.Hash {
	var list []tlog.Hash
	for _, part := range strings.Split(text, ",") {
		if part != "" {
			list = append(list, hash(part))
		}
	}
	return list
}

func main() {
	var verifiers []note.Verifier
	notes, includes, extends := 0, 0, 0
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<20)
	for line := 1; input.Scan(); line++ {
		words := strings.Split(input.Text(), " ")
		switch words[0] {
		case "vkey":
			verifier, err := note.NewVerifier(words[1])
			if err != nil {
				fail(line, err)
			}
			verifiers = append(verifiers, verifier)
		case "note":
			message, err := base64.StdEncoding.DecodeString(words[1])
			if err != nil {
				fail(line, err)
			}
			if _, err := note.Open(message, note.VerifierList(verifiers...)); err != nil {
				fail(line, err)
			}
			notes++
		case "include":
			proof := tlog.RecordProof(hashes(words[5]))
			if err := tlog.CheckRecord(proof, number(words[1]), hash(words[3]), number(words[2]), hash(words[4])); err != nil {
				fail(line, err)
			}
			includes++
		case "extend":
			proof := tlog.TreeProof(hashes(words[5]))
			if err := tlog.CheckTree(proof, number(words[2]), hash(words[4]), number(words[1]), hash(words[3])); err != nil {
				fail(line, err)
			}
			extends++
		default:
			fail(line, "unknown word "+words[0])
		}
	}
	fmt.Printf("notes %d includes %d extends %d\n", notes, includes, extends)
}
