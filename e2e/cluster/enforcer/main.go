// A network-policy enforcer for the one node of the test cluster: it watches pods, namespaces and policies, and writes what
// they amount to as ipsets and iptables rules. IPv4, TCP and UDP. Qualified by Kubernetes' own Netpol suite
// (make netpol-conformance). When it stops, its rules stay; --cleanup removes them.
package main

import (
	"context"
	"flag"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Events come in bursts (a Deployment's pods, a tenant's policies): one write for a burst.
	gather  = 50 * time.Millisecond
	recheck = 10 * time.Second
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file")
	podCIDR := flag.String("pod-cidr", "", "addresses of this node's pods")
	readyFile := flag.String("ready-file", "", "made after the first rules stand")
	remove := flag.Bool("cleanup", false, "remove all rules and sets, and end")
	flag.Parse()
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)

	if *remove {
		if err := cleanup(); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := enforce(ctx, *kubeconfig, *podCIDR, *readyFile); err != nil {
		log.Fatal(err)
	}
}

func enforce(ctx context.Context, kubeconfig, podCIDR, readyFile string) error {
	cidr, err := netip.ParsePrefix(podCIDR)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	namespaces, pods := factory.Core().V1().Namespaces(), factory.Core().V1().Pods()
	policies := factory.Networking().V1().NetworkPolicies()

	changed := make(chan struct{}, 1)
	nudge := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { nudge() },
		UpdateFunc: func(any, any) { nudge() },
		DeleteFunc: func(any) { nudge() },
	}
	for _, informer := range []cache.SharedIndexInformer{namespaces.Informer(), pods.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return ctx.Err()
		}
		log.Printf("watching %s", kind)
	}

	// Listers fail only where an index is used; these have none.
	current := func() *ruleset {
		allNamespaces, _ := namespaces.Lister().List(labels.Everything())
		allPods, _ := pods.Lister().List(labels.Everything())
		allPolicies, _ := policies.Lister().List(labels.Everything())
		return compile(cidr, allNamespaces, allPods, allPolicies)
	}

	applied := ""
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	nudge()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if inForce() {
				continue
			}
			log.Print("the rules are gone: writing them again")
			applied = ""
		case <-changed:
			time.Sleep(gather)
		}
		rules := current()
		wanted := rules.restore()
		if wanted == applied {
			continue
		}
		began := time.Now()
		if err := rules.apply(); err != nil {
			log.Printf("cannot apply, trying again: %v", err)
			time.AfterFunc(time.Second, nudge)
			continue
		}
		if applied == "" && readyFile != "" {
			if err := os.WriteFile(readyFile, nil, 0o644); err != nil {
				return err
			}
		}
		applied = wanted
		log.Printf("applied: sets %d, ingress rules %d, egress rules %d, %v", len(rules.sets), len(rules.ingress), len(rules.egress),
			time.Since(began).Round(time.Millisecond))
	}
}
