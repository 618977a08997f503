package cluster

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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
		name = filepath.ToSlash(name)
		switch {
		case entry.IsDir():
			return visit(path, headerOf(name+"/", true, 0))
		case entry.Type().IsRegular():
			info, err := entry.Info()
			if err != nil {
				return err
			}
			return visit(path, headerOf(name, false, info.Size()))
		}
		return fmt.Errorf("%s is neither a file nor a folder", path)
	})
}

// headerOf is all that is said of a file or folder.
func headerOf(name string, folder bool, size int64) *tar.Header {
	if folder {
		return &tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o700}
	}
	return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: size}
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

// echo holds what came, and takes only the same again.
type echo struct{ bytes.Buffer }

func (e *echo) Write(b []byte) (int, error) {
	if !bytes.Equal(e.Next(len(b)), b) {
		return 0, errors.New("it is not in the form that this release writes")
	}
	return len(b), nil
}

// readArchive unpacks into an empty folder, and accepts nothing that writeArchive does not write.
func readArchive(r io.Reader, folder string) error {
	var came echo
	in, again := tar.NewReader(io.TeeReader(r, &came.Buffer)), tar.NewWriter(&came)
	var last []string
	for {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := again.Close(); err != nil {
				return err
			}
			extra, err := io.Copy(io.Discard, r)
			if extra += int64(came.Len()); err == nil && extra > 0 {
				err = fmt.Errorf("%d bytes after its end", extra)
			}
			return err
		case err != nil:
			return err
		case !filepath.IsLocal(filepath.FromSlash(header.Name)):
			return fmt.Errorf("%q is outside the folder", header.Name)
		}
		plain := strings.TrimSuffix(header.Name, "/")
		name := strings.Split(plain, "/")
		if plain != path.Clean(plain) || slices.Compare(name, last) <= 0 {
			return fmt.Errorf("%q is not in its place", header.Name)
		}
		last = name
		isFolder := header.Typeflag == tar.TypeDir
		if err := again.WriteHeader(headerOf(header.Name, isFolder, header.Size)); err != nil {
			return fmt.Errorf("%q: %w", header.Name, err)
		}
		into := filepath.Join(folder, filepath.FromSlash(header.Name))
		if isFolder {
			err = os.Mkdir(into, 0o700)
		} else {
			err = unpackFile(into, io.TeeReader(in, again), header.Size)
		}
		if err != nil {
			return err
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
