package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/logtoguard/logtoguard/logtotest"
)

// loadKey reads the signing key that saveKey has written, or returns none where there
// is no file yet. Windows has no such modes.
func loadKey(name string) (*logtotest.Key, error) {
	info, err := os.Stat(name) // before Open, which waits for a writer where this is a named pipe
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, misused("-state: %v", err)
	case !info.Mode().IsRegular():
		return nil, misused("-state: %s is not a file", name)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, misused("-state: others can read %s, and what it holds makes tokens: chmod 600 it, or delete it", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, misused("-state: %v", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxInput))
	if err != nil {
		return nil, misused("-state: %v", err)
	}
	key, err := logtotest.ParseKey(text)
	if err != nil {
		return nil, misused("-state: %s is not what logtoguard dev has written: %s", name, inConfig.Replace(err.Error()))
	}
	return key, nil
}

// saveKey writes the whole file or none.
func saveKey(name string, key *logtotest.Key) (err error) {
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // its mode is 0600
	if err != nil {
		return fmt.Errorf("-state: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("-state: %w", err)
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(key.PEM())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
