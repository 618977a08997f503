//go:build linux

package main

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
)

// caller makes one call after the other through the published client, and notes each.
type caller struct {
	load      *load
	published *kp.Client
	number    int
	random    *rand.Rand
	unheard   bool // the last call was not answered
}

// one makes one call, as it comes.
func (c *caller) one(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	keys, probes := c.load.keys, c.load.probes.Load()
	switch k, p := keys.any(c.random), c.random.IntN(100); {
	case k == nil, p < 30 && keys.count() < keysAtOnce, probes && p < 60:
		c.create(ctx)
	case p < 40, probes:
		c.remove(ctx, k)
	case p < 50:
		c.list(ctx, k.bucket())
	case p < 70:
		c.wrap(ctx, k)
	default:
		c.unwrap(ctx, k)
	}
}

func (c *caller) create(ctx context.Context) {
	k := c.load.keys.next()
	began, at := c.load.history.now(), time.Now()
	made, err := c.published.CreateRootKey(ctx, k.name, nil)
	result, err := c.judge(err)
	if err != nil {
		c.load.fail("creating %s: %w", k.name, err)
		return
	}
	if result == refused {
		c.load.keys.drop(k)
		return
	}
	c.load.history.note(c.number, k.name, began, create, result)
	if result == done {
		c.load.wrote(at)
		c.load.keys.born(k, made.ID)
		c.wrap(ctx, k)
	}
}

func (c *caller) remove(ctx context.Context, k *key) {
	c.load.keys.doubt(k)
	began, at := c.load.history.now(), time.Now()
	_, err := c.published.DeleteKey(ctx, k.id, kp.ReturnMinimal)
	result, err := c.judge(err)
	if err != nil {
		c.load.fail("deleting %s: %w", k.name, err)
		return
	}
	if result == refused {
		return
	}
	c.load.history.note(c.number, k.name, began, remove, result)
	if result == done {
		c.load.wrote(at)
	}
	if result == done || result == gone {
		c.load.keys.buried(k)
	}
}

// list asks for the keys of a bucket: each that has been called about is there, or is not.
func (c *caller) list(ctx context.Context, bucket string) {
	names := c.load.keys.of(bucket)
	began, limit := c.load.history.now(), uint32(4*bucketSize)
	answer, err := c.published.ListKeys(ctx, &kp.ListKeysOptions{Search: &bucket, Limit: &limit})
	if result, err := c.judge(err); result != done {
		if err != nil {
			c.load.fail("listing %s: %w", bucket, err)
		}
		return
	}
	listed := map[string]string{}
	for _, k := range answer.Keys {
		listed[k.Name] = k.ID
	}
	for _, name := range names {
		id, there := listed[name]
		if there {
			c.load.keys.found(name, id)
			c.load.history.note(c.number, name, began, list, done)
		} else {
			c.load.history.note(c.number, name, began, list, unknown)
		}
	}
}

func (c *caller) wrap(ctx context.Context, k *key) saw {
	data := make([]byte, 32)
	cryptorand.Read(data)
	data = []byte(base64.StdEncoding.EncodeToString(data)) // what the client takes and gives
	began := c.load.history.now()
	wrapped, err := c.published.Wrap(ctx, k.id, data, nil)
	result, err := c.judge(err)
	if err != nil {
		c.load.fail("wrapping under %s: %w", k.name, err)
		return result
	}
	c.load.history.note(c.number, k.name, began, use, result)
	if result == done {
		c.load.keys.keep(k, data, wrapped)
	}
	return result
}

func (c *caller) unwrap(ctx context.Context, k *key) {
	data, wrapped := c.load.keys.kept(k)
	if wrapped == nil {
		c.wrap(ctx, k)
		return
	}
	if _, err := c.open(ctx, k, data, wrapped); err != nil {
		c.load.fail("unwrapping under %s: %w", k.name, err)
	}
}

// open unwraps what was wrapped: the error says that the key is not what it was.
func (c *caller) open(ctx context.Context, k *key, data, wrapped []byte) (saw, error) {
	began := c.load.history.now()
	got, err := c.published.Unwrap(ctx, k.id, wrapped, nil)
	result, err := c.judge(err)
	if err != nil {
		return result, err
	}
	c.load.history.note(c.number, k.name, began, use, result)
	if result == done && !bytes.Equal(got, data) {
		return result, errors.New("what comes out is not what went in")
	}
	return result, nil
}

// settle finds out what a key is: alive, and gives back what went in, or deleted by one of our calls.
func (c *caller) settle(ctx context.Context, k *key) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		data, wrapped := c.load.keys.kept(k)
		call, cancel := context.WithTimeout(ctx, callTime)
		var result saw
		var err error
		switch {
		case k.id == "":
			c.list(call, k.bucket()) // its create was not answered: it may have come to be, and may not
			cancel()
			return nil
		case wrapped == nil:
			result = c.wrap(call, k)
		default:
			result, err = c.open(call, k, data, wrapped)
		}
		cancel()
		switch {
		case err != nil:
			return err
		case result == gone && c.load.keys.mayBeGone(k):
			c.load.keys.buried(k)
			return nil
		case result == gone:
			return errors.New("it is deleted, and nobody deleted it")
		case result == unknown:
			return errors.New("there is no such key")
		case result == done:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v", patience)
		case <-again.C:
		}
	}
}

// refused is an answer that changed nothing and says nothing of the key.
const refused saw = 255

// judge tells what an answer says of a key. The error is one that no client should see.
func (c *caller) judge(err error) (saw, error) {
	c.unheard = false
	var answer *kp.Error
	switch {
	case err == nil:
		return done, nil
	case !errors.As(err, &answer):
		c.unheard = true
		return maybe, nil // the connection broke, or the node could not say
	}
	code := string(answer.BodyContent)
	switch {
	case answer.StatusCode == http.StatusGone, strings.Contains(code, "KEY_DELETED_ERR"), strings.Contains(code, "KEY_ACTION_INVALID_STATE_ERR"):
		return gone, nil
	case strings.Contains(code, "KEY_NOT_FOUND_ERR"):
		return unknown, nil
	case strings.Contains(code, "MASTER_KEY_ROTATION_IN_PROGRESS"), strings.Contains(code, "CONFLICT_ERR"):
		return refused, nil // nothing was changed; by somebody else, perhaps
	case answer.StatusCode >= http.StatusInternalServerError:
		return maybe, nil
	}
	return maybe, err
}
