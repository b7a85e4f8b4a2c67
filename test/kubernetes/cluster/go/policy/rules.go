package main

import (
	"fmt"
	"sort"
	"strings"

	core "k8s.io/api/core/v1"
	net "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// direction of a rule, seen from the pod it is for.
type direction struct {
	policyType net.PolicyType
	chain      string // prefix of the pod's chain
	peer       string // nft's word for the other end's address
}

var (
	ingress = direction{net.PolicyTypeIngress, "in", "saddr"}
	egress  = direction{net.PolicyTypeEgress, "eg", "daddr"}
)

// isolates: does the policy say anything about this direction?
func isolates(policy *net.NetworkPolicy, d direction) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return d == ingress || len(policy.Spec.Egress) > 0
	}
	for _, t := range policy.Spec.PolicyTypes {
		if t == d.policyType {
			return true
		}
	}
	return false
}

// allowed is the lines of nft, each of which lets something pass ("return") that policies allow `pod` in
// direction `d`; isolated is false when no policy selects the pod, so that everything may pass.
func (w world) allowed(pod *core.Pod, d direction) (lines []string, isolated bool) {
	for _, policy := range w.policies {
		if policy.Namespace != pod.Namespace || !matches(&policy.Spec.PodSelector, pod.Labels) || !isolates(policy, d) {
			continue
		}
		isolated = true
		if d == ingress {
			for _, rule := range policy.Spec.Ingress {
				lines = append(lines, w.lines(pod, d, rule.From, rule.Ports)...)
			}
		} else {
			for _, rule := range policy.Spec.Egress {
				lines = append(lines, w.lines(pod, d, rule.To, rule.Ports)...)
			}
		}
	}
	return unique(lines), isolated
}

func (w world) lines(self *core.Pod, d direction, peers []net.NetworkPolicyPeer, ports []net.NetworkPolicyPort) (lines []string) {
	addresses, pods := w.addresses(self.Namespace, d, peers)
	if len(ports) == 0 {
		for _, address := range addresses {
			lines = append(lines, address+"return")
		}
		return lines
	}
	for _, port := range ports {
		protocol := protocolOf(port.Protocol)
		if port.Port != nil && port.Port.Type == intstr.String {
			lines = append(lines, named(self, d, addresses, pods, port.Port.StrVal, protocol)...)
			continue
		}
		match := "meta l4proto " + protocol
		if port.Port != nil {
			match = fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal)
			if port.EndPort != nil {
				match += fmt.Sprintf("-%d", *port.EndPort)
			}
		}
		for _, address := range addresses {
			lines = append(lines, address+match+" return")
		}
	}
	return lines
}

// addresses is matches of the other end's address, "" for anybody, and the pods among the other ends.
func (w world) addresses(space string, d direction, peers []net.NetworkPolicyPeer) (found []string, pods []*core.Pod) {
	if len(peers) == 0 {
		return []string{""}, w.pods
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if match, ok := block(d, peer.IPBlock); ok {
				found = append(found, match)
			}
			continue
		}
		selected := w.peers(space, peer)
		if len(selected) == 0 {
			continue
		}
		pods = append(pods, selected...)
		var ips []string
		for _, pod := range selected {
			ips = append(ips, pod.Status.PodIP)
		}
		found = append(found, fmt.Sprintf("ip %s %s ", d.peer, set(ips)))
	}
	return found, pods
}

func block(d direction, b *net.IPBlock) (string, bool) {
	if strings.Contains(b.CIDR, ":") {
		return "", false
	}
	match := fmt.Sprintf("ip %s %s ", d.peer, b.CIDR)
	var except []string
	for _, cidr := range b.Except {
		if !strings.Contains(cidr, ":") {
			except = append(except, cidr)
		}
	}
	if len(except) > 0 {
		match += fmt.Sprintf("ip %s != %s ", d.peer, set(except))
	}
	return match, true
}

// named: a port's name is the receiving pod's, so that each receiver has its own number for it.
func named(self *core.Pod, d direction, addresses []string, peers []*core.Pod, name, protocol string) (lines []string) {
	if d == ingress {
		for _, number := range portsOf(self, name, protocol) {
			for _, address := range addresses {
				lines = append(lines, fmt.Sprintf("%s%s dport %d return", address, protocol, number))
			}
		}
		return lines
	}
	for _, peer := range peers {
		for _, number := range portsOf(peer, name, protocol) {
			lines = append(lines, fmt.Sprintf("ip daddr %s %s dport %d return", peer.Status.PodIP, protocol, number))
		}
	}
	return lines
}

func portsOf(pod *core.Pod, name, protocol string) (numbers []int32) {
	for _, container := range append(append([]core.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		for _, port := range container.Ports {
			if port.Name == name && protocolOf(&port.Protocol) == protocol {
				numbers = append(numbers, port.ContainerPort)
			}
		}
	}
	return numbers
}

func protocolOf(protocol *core.Protocol) string {
	if protocol == nil || *protocol == "" {
		return "tcp"
	}
	return strings.ToLower(string(*protocol))
}

func set(members []string) string {
	sorted := unique(members)
	sort.Strings(sorted)
	return "{ " + strings.Join(sorted, ", ") + " }"
}

func unique(values []string) (kept []string) {
	seen := map[string]bool{}
	for _, value := range values {
		if !seen[value] {
			seen[value] = true
			kept = append(kept, value)
		}
	}
	return kept
}
