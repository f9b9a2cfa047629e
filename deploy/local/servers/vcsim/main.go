// SPDX-License-Identifier: Apache-2.0

// A vCenter of govmomi's simulator on a loopback port, over TLS. Its first line is its address. It ends when its
// standard input does: with whoever started it, however that one ends; with -until-signal, by SIGTERM or SIGINT alone.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	model := simulator.VPX()
	esx := flag.Bool("esx", false, "a standalone ESXi instead of a vCenter")
	hosts := flag.Int("hosts", 1, "hosts of the one cluster")
	vms := flag.Int("vms", 0, "vms of somebody else, in the cluster's resource pool")
	datastores := flag.Int("datastores", 1, "datastores")
	certificate := flag.String("certificate", "", "a PEM file; the simulator's own has a key no client takes any more")
	key := flag.String("key", "", "its key, a PEM file")
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	slow := flag.String("slow", "", "a method that takes ...")
	by := flag.Int("by", 0, "... so many milliseconds longer")
	signalled := flag.Bool("until-signal", false, "run until a signal, whatever becomes of standard input")
	flag.Parse()
	if *esx {
		model = simulator.ESX()
	}
	model.ClusterHost, model.Host, model.Machine, model.Datastore = *hosts, 0, *vms, *datastores
	model.DelayConfig.MethodDelay = map[string]int{*slow: *by}
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	model.Service.Listen = &url.URL{Host: *address}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server := model.Service.NewServer()
	fmt.Println("https://" + server.URL.Host)
	wait(*signalled)
	server.Close()
	model.Remove()
}

func wait(signalled bool) {
	if !signalled {
		_, _ = io.Copy(ioutil.Discard, os.Stdin)
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}
