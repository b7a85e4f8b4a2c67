// policy enforces networking.k8s.io/v1 NetworkPolicy (IPv4) for the pods of one node with nftables. The test
// cluster runs one in each node's network namespace, because no ready-made engine can be counted on there: it
// says what policies mean by the rules of the API, not how a given network plugin behaves.
//
// It needs a bridge that the pods hang on, with net.bridge.bridge-nf-call-iptables=1, so that two pods on one
// node meet the forward hook too. It is closed by default: what comes from or goes to an address of this node's
// pods that no known pod has is dropped, and the rules stay when it dies.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	bridgeCall = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	burst      = 20 * time.Millisecond // events this close together are one change
	retry      = time.Second
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file")
	node := flag.String("node", "", "name of this node")
	bridge := flag.String("bridge", "", "bridge that the pods hang on")
	podCIDR := flag.String("pod-cidr", "", "addresses of this node's pods")
	flag.Parse()
	if *node == "" || *bridge == "" || *podCIDR == "" {
		log.Fatal("--node, --bridge and --pod-cidr are needed")
	}
	if b, err := os.ReadFile(bridgeCall); err != nil || strings.TrimSpace(string(b)) != "1" {
		log.Fatalf("%s is not 1 in this network namespace: %q %v", bridgeCall, b, err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	watched := watch(kubernetes.NewForConfigOrDie(config))
	place := place{node: *node, bridge: *bridge, podCIDR: *podCIDR}

	applied := ""
	for range watched.changed {
		time.Sleep(burst)
		rules := ruleset(place, watched.snapshot())
		if rules == applied {
			continue
		}
		if err := apply(rules); err != nil {
			log.Printf("%v; the rules before stay\n%s", err, rules)
			time.Sleep(retry)
			watched.kick()
			continue
		}
		applied = rules
		log.Printf("applied %d bytes of rules", len(rules))
	}
}

// watched is what the API server says, and a channel that holds a token while it has changed.
type watched struct {
	changed  chan struct{}
	snapshot func() world
}

func (w watched) kick() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// watch returns when everything was listed once.
func watch(client kubernetes.Interface) watched {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, spaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	w := watched{changed: make(chan struct{}, 1)}
	w.snapshot = func() world {
		p, _ := pods.Lister().List(labels.Everything())
		n, _ := spaces.Lister().List(labels.Everything())
		l, _ := policies.Lister().List(labels.Everything())
		return newWorld(p, n, l)
	}
	kick := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.kick() },
		UpdateFunc: func(any, any) { w.kick() },
		DeleteFunc: func(any) { w.kick() },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), spaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(kick); err != nil {
			log.Fatal(err)
		}
	}
	forever := make(chan struct{})
	factory.Start(forever)
	factory.WaitForCacheSync(forever)
	w.kick()
	return w
}

func apply(rules string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = bytes.NewReader([]byte(rules))
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %v: %s", err, out)
	}
	return nil
}
