package cluster

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A checkpoint folder travels as a tar (POSIX.1-2001) of its regular files and folders, in order of name, with nothing of
// owners, modes and times: so its size is known beforehand, and is the same on every member.

// walkFolder calls visit for everything in the folder, the folder itself excepted.
func walkFolder(folder string, visit func(path string, header *tar.Header) error) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(name)}
		switch {
		case entry.IsDir():
			header.Typeflag, header.Mode, header.Name = tar.TypeDir, 0o700, header.Name+"/"
		case entry.Type().IsRegular():
			info, err := entry.Info()
			if err != nil {
				return err
			}
			header.Typeflag, header.Mode, header.Size = tar.TypeReg, 0o600, info.Size()
		default:
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
		return visit(path, header)
	})
}

// archiveSize is how many bytes writeArchive writes.
func archiveSize(folder string) (int64, error) {
	const block = 512
	size := int64(2 * block) // the end
	err := walkFolder(folder, func(_ string, header *tar.Header) error {
		var count counter
		if err := tar.NewWriter(&count).WriteHeader(header); err != nil {
			return err
		}
		size += int64(count) + (header.Size+block-1)/block*block
		return nil
	})
	return size, err
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func writeArchive(w io.Writer, folder string) error {
	out := tar.NewWriter(w)
	err := walkFolder(folder, func(path string, header *tar.Header) error {
		if err := out.WriteHeader(header); err != nil || header.Typeflag == tar.TypeDir {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(out, f)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// readArchive unpacks into an empty folder, and accepts nothing that writeArchive does not write.
func readArchive(r io.Reader, folder string) error {
	in := tar.NewReader(r)
	for {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			extra, err := io.Copy(io.Discard, r)
			if err == nil && extra > 0 {
				err = fmt.Errorf("%d bytes after its end", extra)
			}
			return err
		case err != nil:
			return err
		case !filepath.IsLocal(filepath.FromSlash(header.Name)):
			return fmt.Errorf("%q is outside the folder", header.Name)
		}
		for key := range header.PAXRecords {
			if key != "path" && key != "size" { // a sparse file, say, of any size in a few bytes
				return fmt.Errorf("%q has the unexpected attribute %q", header.Name, key)
			}
		}
		path := filepath.Join(folder, filepath.FromSlash(header.Name))
		switch header.Typeflag {
		case tar.TypeDir:
			if err := os.Mkdir(path, 0o700); err != nil {
				return err
			}
		case tar.TypeReg:
			if err := unpackFile(path, in, header.Size); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is neither a file nor a folder", header.Name)
		}
	}
}

func unpackFile(path string, r io.Reader, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, f.Close())
}

// syncTree makes a folder and all that is in it durable.
func syncTree(folder string) error {
	err := walkFolder(folder, func(path string, _ *tar.Header) error { return syncFolder(path) })
	if err != nil {
		return err
	}
	return syncFolder(folder)
}
