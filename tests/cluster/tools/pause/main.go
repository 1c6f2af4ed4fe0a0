// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, avi.egress contributors

// The process that holds a pod's namespaces open: it waits for the end and, where the pod shares one
// process namespace and it is therefore pid 1, collects the children that others left behind.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}
