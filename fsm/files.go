package fsm

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"tumbler/holdpoint"
)

func readFile(files vfs.FS, path string) ([]byte, error) {
	file, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(file)
	return content, errors.Join(err, file.Close())
}

// writeSync writes a file anew and makes its content durable.
func writeSync(files vfs.FS, path string, content io.Reader) error {
	file, err := files.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, content); err == nil {
		err = holdpoint.Step("store-file-sync", file.Sync)
	}
	return errors.Join(err, file.Close())
}

// syncDir makes durable what a folder names.
func syncDir(files vfs.FS, path string) error {
	dir, err := files.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(holdpoint.Step("store-folder-sync", dir.Sync), dir.Close())
}

// walk gives every file and folder below a folder, each after the one that it lies in, by its path from there.
func walk(files vfs.FS, root string, each func(relative string, folder bool) error) error {
	return walkFrom(files, root, "", each)
}

func walkFrom(files vfs.FS, root, at string, each func(relative string, folder bool) error) error {
	names, err := files.List(files.PathJoin(root, at))
	if err != nil {
		return err
	}
	for _, name := range names {
		relative := files.PathJoin(at, name)
		info, err := files.Stat(files.PathJoin(root, relative))
		if err != nil {
			return err
		}
		if err := each(relative, info.IsDir()); err != nil {
			return err
		}
		if info.IsDir() {
			if err := walkFrom(files, root, relative, each); err != nil {
				return err
			}
		}
	}
	return nil
}
