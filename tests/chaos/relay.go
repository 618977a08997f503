//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// delay is how long the relay keeps each byte, each way: a round trip takes twice that.
const delay = 100 * time.Millisecond

// relay listens on the bridge at the ports of every node's cluster and gossip, and passes on, late, what comes.
func relay(ctx context.Context, nodes []*node) error {
	for _, n := range nodes {
		for _, port := range []int{n.port() + 1, n.port() + 2} {
			here, there := fmt.Sprintf("%s:%d", bridgeAddress, port), fmt.Sprintf("%s:%d", address(n.number), port)
			listener, err := net.Listen("tcp", here)
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { listener.Close() })
			go accept(listener, there)
		}
		packets, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", bridgeAddress, n.port()+2))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = packets.Close() })
		go forward(packets, fmt.Sprintf("%s:%d", address(n.number), n.port()+2))
	}
	return nil
}

func accept(listener net.Listener, there string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			other, err := net.Dial("tcp", there)
			if err != nil {
				conn.Close()
				return
			}
			var both sync.WaitGroup
			both.Go(func() { late(other, conn) })
			both.Go(func() { late(conn, other) })
			both.Wait()
		}()
	}
}

// late copies until either side ends, and ends both.
func late(to, from net.Conn) {
	type piece struct {
		due   time.Time
		bytes []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			if n > 0 {
				pieces <- piece{time.Now().Add(delay), buffer[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range pieces { // whoever reads is to see the end
	}
}

// forward passes packets on, one way: gossip asks and answers by packets of its own.
func forward(packets net.PacketConn, there string) {
	to, err := net.Dial("udp", there)
	if err != nil {
		return
	}
	defer to.Close()
	for {
		buffer := make([]byte, 64<<10)
		n, _, err := packets.ReadFrom(buffer)
		if err != nil {
			return
		}
		time.AfterFunc(delay, func() { _, _ = io.Writer(to).Write(buffer[:n]) }) // it may be lost, as any packet
	}
}
