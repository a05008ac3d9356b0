package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTheGeneratedCodeIsCurrent(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	generate := exec.Command("go", "run", "-C", "generate", ".", "../../../../gameserver/control/proto/control.proto", folder)
	if output, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, name := range []string{"control.pb.go", "control_grpc.pb.go"} {
		path := filepath.Join("controlv1", name)
		committed, err := os.ReadFile(path)
		check(t, err)
		current, err := os.ReadFile(filepath.Join(folder, path))
		check(t, err)
		if string(committed) != string(current) {
			t.Errorf("%s is out of date: run go generate", path)
		}
	}
}
