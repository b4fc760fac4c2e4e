// Command logs is the middle of a pipeline of programs that know nothing of each other: it reads
// log records from topics, counts them, and publishes those that somebody has to look at on a topic
// of their own. Both ends of the pipeline may be shell commands:
//
//	tail -F access.json | buspub logs.web     # a program's log, JSON lines, goes onto the bus
//	logs                                      # this program
//	bussub alerts                             # whoever is on call
//
// It reads reliably: while it is busy publishers wait, and while it is not running nobody does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"shmbus/bus"
)

// A Record is what this program reads of a log record; whatever else it holds is passed on.
type Record struct {
	Level  string `msgpack:"level"`
	Status int    `msgpack:"status"`
}

// An Alert is what it publishes.
type Alert struct {
	Source string         `msgpack:"source"`
	Reason string         `msgpack:"reason"`
	Record map[string]any `msgpack:"record"`
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	name := flag.String("bus", "logs", "name of the bus")
	flag.Parse()
	if err := run(ctx, *name); err != nil && ctx.Err() == nil {
		log.Fatalf("logs: %v", err)
	}
}

func run(ctx context.Context, name string) error {
	b, _, err := bus.OpenOrCreate(name)
	if err != nil {
		return err
	}
	defer b.Close()
	in, err := b.Subscribe("logs.>", bus.Reliable())
	if err != nil {
		return err
	}
	counts := map[string]int{}
	defer func() { fmt.Println(counts) }()
	for m, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		source := strings.TrimPrefix(m.Topic, "logs.")
		counts[source]++
		reason, err := judge(m)
		if err != nil {
			// One producer's mistake is not the end of the pipeline.
			log.Printf("logs: %v", err)
			continue
		}
		if reason == "" {
			continue
		}
		alert := Alert{Source: source, Reason: reason}
		if err := m.Decode(&alert.Record); err != nil {
			return err
		}
		if err := b.Publish(ctx, "alerts", alert); err != nil {
			return err
		}
	}
	return nil
}

// judge returns why somebody has to look at the record, or "".
func judge(m bus.Message) (string, error) {
	var r Record
	var wrong *bus.DecodeError
	switch err := m.Decode(&r); {
	case errors.As(err, &wrong):
		return "", fmt.Errorf("%s: %w", wrong.Topic, wrong.Err)
	case err != nil:
		return "", err
	case strings.EqualFold(r.Level, "error"):
		return "error", nil
	case r.Status >= 500:
		return fmt.Sprintf("status %d", r.Status), nil
	}
	return "", nil
}
