package main

import (
	"os"
	"strings"
)

func main() {
	println := func(line string) { os.Stdout.WriteString(line + "\n") }
	println("hello from go: " + strings.Join(os.Args[1:], "|"))
}
