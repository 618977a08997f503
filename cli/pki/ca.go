// Package pki is a development certificate authority: enough to run a cluster with TLS 1.3 everywhere on a machine or in a
// test, and small enough to be replaced by a real one.
//
// It promises certificates in the shape that nodes ask for: a node's names it by SAN URI tumbler://node/<number>, an
// administrator's by tumbler://client/<name>; keys are ECDSA P-256; private keys are written with mode 0600, and no file is
// ever overwritten. The authority's key lies unencrypted in its folder: that is what makes it a development authority.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Names of the authority's files in its folder.
const (
	CAFile    = "ca.pem"
	caKeyFile = "ca.key"
)

// How long certificates are valid.
const (
	ValidCA   = 10 * 365 * 24 * time.Hour
	ValidLeaf = 825 * 24 * time.Hour // the longest that all current clients accept
)

// backdate allows for clocks that are a little apart.
const backdate = 5 * time.Minute

// CA is a certificate authority with its key.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer
	now         func() time.Time
}

// Create makes an authority and saves it in a folder, which it makes if need be. A folder that has one is refused.
func Create(dir string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Tumbler development CA", SerialNumber: serial.Text(16)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(ValidCA),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := save(filepath.Join(dir, CAFile), filepath.Join(dir, caKeyFile), der, key); err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{certificate, key, time.Now}, nil
}

// Open reads the authority in a folder.
func Open(dir string) (*CA, error) {
	der, err := readPEM(filepath.Join(dir, CAFile), "CERTIFICATE")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no CA in %s: make one with `tumbler pki init --dir %s`", dir, dir)
	}
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, CAFile), err)
	}
	der, err = readPEM(filepath.Join(dir, caKeyFile), "PRIVATE KEY")
	if err != nil {
		return nil, fmt.Errorf("the key of the CA in %s cannot be read, so it signs nothing: %w", dir, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, caKeyFile), err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of %s: restore the two files of one CA", filepath.Join(dir, caKeyFile), CAFile)
	}
	return &CA{certificate, key, time.Now}, nil
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

// save writes a certificate and its key, neither over an existing file.
func save(certPath, keyPath string, der []byte, key crypto.Signer) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for _, path := range []string{certPath, keyPath} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s exists already, and is left as it is: remove it first, or choose another folder", path)
		}
	}
	if err := writeNew(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return writeNew(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func writeNew(path string, data []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}
