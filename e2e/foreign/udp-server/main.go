// Command udp-server is a game server that knows nothing of Gamekeeper: one match over UDP in text datagrams.
//
//	probe   → ok
//	play N  → played N BOOT   BOOT names this process; a client sees by it that the server was replaced
//	finish  → finished BOOT   and the process ends well
//	crash   →                 and the process ends badly
package main

import (
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", ":7777", "where to listen")
	startDelay := flag.Duration("start-delay", 0, "listen only after this time")
	mute := flag.Bool("mute", false, "never answer")
	crash := flag.Bool("crash", false, "end with exit code 1 at once")
	flag.Parse()
	if *crash {
		log.Fatal("crashing, as asked")
	}
	var playing atomic.Bool
	go leaveWhenIdle(&playing)

	time.Sleep(*startDelay)
	conn, err := net.ListenPacket("udp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	boot := rand.Text()
	log.Printf("boot %s listens on %s", boot, conn.LocalAddr())
	buf := make([]byte, 1500)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			log.Fatal(err)
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
		answer := ""
		switch word {
		case "probe":
			answer = "ok"
		case "play":
			playing.Store(true)
			answer = fmt.Sprintf("played %s %s", rest, boot)
		case "finish":
			answer = "finished " + boot
		case "crash":
			log.Fatal("crashing, as asked")
		}
		if answer != "" && !*mute {
			if _, err := conn.WriteTo([]byte(answer), peer); err != nil {
				log.Print(err)
			}
		}
		if word == "finish" {
			return
		}
	}
}

// leaveWhenIdle ends the process on SIGTERM, unless a match is on: that is played to its end.
func leaveWhenIdle(playing *atomic.Bool) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	for range term {
		if !playing.Load() {
			os.Exit(0)
		}
		log.Print("told to stop: a match is on, playing it to its end")
	}
}
