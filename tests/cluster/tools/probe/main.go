// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, avi.egress contributors

// A pod's eyes and ears for tests, as one static program, so that they need no image from a registry:
//
//	probe serve ADDRESS   answers every HTTP request with the peer's address
//	probe get URL         prints the body of the answer (2 s limit)
//	probe lookup NAME     prints the addresses of a name, one on each line
//	probe wait            waits for the end
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "wait" {
		ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		<-ended.Done()
		return nil
	}
	if len(arguments) != 2 {
		return fmt.Errorf("usage: probe serve ADDRESS | get URL | lookup NAME | wait")
	}
	switch arguments[0] {
	case "serve":
		return http.ListenAndServe(arguments[1], http.HandlerFunc(answer))
	case "get":
		return get(arguments[1])
	case "lookup":
		return lookup(arguments[1])
	}
	return fmt.Errorf("unknown command %q", arguments[0])
}

func answer(writer http.ResponseWriter, request *http.Request) {
	peer, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(writer, peer)
}

func get(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func lookup(name string) error {
	limited, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(limited, name)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		fmt.Println(address)
	}
	return nil
}
