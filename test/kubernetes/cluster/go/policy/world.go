package main

import (
	"sort"
	"strings"

	core "k8s.io/api/core/v1"
	net "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// world is one moment of the cluster: pods that have an IPv4 address of their own, in the order of their
// addresses and the newest first, labels of the namespaces, policies in the order of their names.
type world struct {
	pods     []*core.Pod
	spaces   map[string]labels.Set
	policies []*net.NetworkPolicy
}

func newWorld(pods []*core.Pod, spaces []*core.Namespace, policies []*net.NetworkPolicy) world {
	w := world{spaces: map[string]labels.Set{}, policies: append([]*net.NetworkPolicy{}, policies...)}
	for _, pod := range pods {
		if hasAddress(pod) {
			w.pods = append(w.pods, pod)
		}
	}
	sort.Slice(w.pods, func(i, j int) bool {
		a, b := w.pods[i], w.pods[j]
		if a.Status.PodIP != b.Status.PodIP {
			return a.Status.PodIP < b.Status.PodIP
		}
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	})
	for _, space := range spaces {
		w.spaces[space.Name] = space.Labels
	}
	sort.Slice(w.policies, func(i, j int) bool {
		a, b := w.policies[i], w.policies[j]
		return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
	})
	return w
}

// hasAddress: an ended pod's address may be another's already, and a host-network pod's is the node's.
func hasAddress(pod *core.Pod) bool {
	ip, phase := pod.Status.PodIP, pod.Status.Phase
	ended := phase == core.PodSucceeded || phase == core.PodFailed
	return !pod.Spec.HostNetwork && ip != "" && !strings.Contains(ip, ":") && !ended
}

// peers is the pods that a policy of namespace `space` means by `peer`.
func (w world) peers(space string, peer net.NetworkPolicyPeer) (found []*core.Pod) {
	for _, pod := range w.pods {
		if peer.NamespaceSelector == nil {
			if pod.Namespace != space {
				continue
			}
		} else if set, ok := w.spaces[pod.Namespace]; !ok || !matches(peer.NamespaceSelector, set) {
			continue
		}
		if peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels) {
			found = append(found, pod)
		}
	}
	return found
}

// matches: a selector that cannot be read selects nothing, so that less is allowed and never more.
func matches(selector *meta.LabelSelector, set labels.Set) bool {
	s, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(set)
}
