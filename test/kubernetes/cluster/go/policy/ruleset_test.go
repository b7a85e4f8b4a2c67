package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	net "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(space, name, ip, node string) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Namespace: space, Name: name, Labels: map[string]string{"name": name}},
		Spec: core.PodSpec{NodeName: node, Containers: []core.Container{
			{Ports: []core.ContainerPort{{Name: "web", ContainerPort: 8080}}},
		}},
		Status: core.PodStatus{PodIP: ip, Phase: core.PodRunning},
	}
}

func space(name string) *core.Namespace {
	return &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{"space": name}}}
}

func policy(space string, spec net.NetworkPolicySpec) *net.NetworkPolicy {
	return &net.NetworkPolicy{ObjectMeta: meta.ObjectMeta{Namespace: space, Name: "p"}, Spec: spec}
}

func both(in []net.NetworkPolicyIngressRule, out []net.NetworkPolicyEgressRule) net.NetworkPolicySpec {
	return net.NetworkPolicySpec{
		PolicyTypes: []net.PolicyType{net.PolicyTypeIngress, net.PolicyTypeEgress}, Ingress: in, Egress: out,
	}
}

func port(value intstr.IntOrString) net.NetworkPolicyPort { return net.NetworkPolicyPort{Port: &value} }

func worldOf(policies ...*net.NetworkPolicy) world {
	pods := []*core.Pod{pod("a", "a1", "10.0.1.1", "n1"), pod("a", "a2", "10.0.2.1", "n2"), pod("b", "b1", "10.0.1.2", "n1")}
	return newWorld(pods, []*core.Namespace{space("a"), space("b")}, policies)
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func TestNoPolicyLeavesAPodOpen(t *testing.T) {
	w := worldOf(policy("b", both(nil, nil)))
	if _, isolated := w.allowed(w.pods[0], ingress); isolated {
		t.Fatal("a1 is isolated by a policy of another namespace")
	}
}

func TestDefaultDenyAllowsNothing(t *testing.T) {
	w := worldOf(policy("a", both(nil, nil)))
	for _, d := range []direction{ingress, egress} {
		lines, isolated := w.allowed(w.pods[0], d)
		if !isolated || len(lines) != 0 {
			t.Fatalf("%s: isolated %v, lines %q", d.chain, isolated, lines)
		}
	}
}

func TestOwnNamespaceOnANamedPort(t *testing.T) {
	own := []net.NetworkPolicyPeer{{PodSelector: &meta.LabelSelector{}}}
	web := []net.NetworkPolicyPort{port(intstr.FromString("web"))}
	w := worldOf(policy("a", both(
		[]net.NetworkPolicyIngressRule{{From: own, Ports: web}}, []net.NetworkPolicyEgressRule{{To: own, Ports: web}})))
	in, _ := w.allowed(w.pods[0], ingress)
	expect(t, in, "ip saddr { 10.0.1.1, 10.0.2.1 } tcp dport 8080 return")
	out, _ := w.allowed(w.pods[0], egress)
	expect(t, out, "ip daddr 10.0.1.1 tcp dport 8080 return", "ip daddr 10.0.2.1 tcp dport 8080 return")
}

func TestPortsRangesAndProtocols(t *testing.T) {
	udp, end := core.ProtocolUDP, int32(9095)
	ranged := port(intstr.FromInt32(9000))
	ranged.EndPort = &end
	dns := port(intstr.FromInt32(53))
	dns.Protocol = &udp
	w := worldOf(policy("a", both(nil, []net.NetworkPolicyEgressRule{{
		Ports: []net.NetworkPolicyPort{ranged, dns, {Protocol: &udp}},
	}})))
	out, _ := w.allowed(w.pods[0], egress)
	expect(t, out, "tcp dport 9000-9095 return", "udp dport 53 return", "meta l4proto udp return")
}

func TestBlocksAndSelectors(t *testing.T) {
	w := worldOf(policy("a", both([]net.NetworkPolicyIngressRule{
		{From: []net.NetworkPolicyPeer{{IPBlock: &net.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.0.1.2/32"}}}}},
		{From: []net.NetworkPolicyPeer{{NamespaceSelector: &meta.LabelSelector{MatchLabels: map[string]string{"space": "b"}}}}},
		{From: []net.NetworkPolicyPeer{{PodSelector: &meta.LabelSelector{MatchLabels: map[string]string{"name": "b1"}}}}},
		{From: []net.NetworkPolicyPeer{{IPBlock: &net.IPBlock{CIDR: "fd00::/8"}}}},
	}, nil)))
	in, _ := w.allowed(w.pods[0], ingress)
	expect(t, in, "ip saddr 10.0.0.0/8 ip saddr != { 10.0.1.2/32 } return", "ip saddr { 10.0.1.2 } return")
}

func TestAnUnreadableSelectorSelectsNothing(t *testing.T) {
	bad := &meta.LabelSelector{MatchExpressions: []meta.LabelSelectorRequirement{{Key: "name", Operator: "Near"}}}
	w := worldOf(policy("a", both([]net.NetworkPolicyIngressRule{{From: []net.NetworkPolicyPeer{{PodSelector: bad}}}}, nil)))
	if in, isolated := w.allowed(w.pods[0], ingress); !isolated || len(in) != 0 {
		t.Fatalf("isolated %v, lines %q", isolated, in)
	}
}

func TestOnlyThisNodesLivePods(t *testing.T) {
	ended := pod("a", "old", "10.0.1.1", "n1")
	ended.Status.Phase = core.PodSucceeded
	older, newer := pod("b", "older", "10.0.1.3", "n1"), pod("a", "newer", "10.0.1.3", "n1")
	newer.CreationTimestamp = meta.NewTime(time.Unix(100, 0))
	host := pod("a", "host", "10.0.0.1", "n1")
	host.Spec.HostNetwork = true
	pods := []*core.Pod{ended, older, newer, host, pod("a", "a1", "10.0.1.1", "n1"), pod("a", "a2", "10.0.2.1", "n2")}
	w := newWorld(pods, []*core.Namespace{space("a"), space("b")}, []*net.NetworkPolicy{policy("a", both(nil, nil))})
	rules := ruleset(place{"n1", "br0", "10.0.1.0/24"}, w)
	for _, line := range []string{"set known { type ipv4_addr; elements = { 10.0.1.1, 10.0.1.3 } }", "chain in_10_0_1_3 { # a/newer"} {
		if !strings.Contains(rules, line) {
			t.Fatalf("no %q in\n%s", line, rules)
		}
	}
	for _, absent := range []string{"10.0.2.1", "10.0.0.1", "a/old", "b/older"} {
		if strings.Contains(rules, absent) {
			t.Fatalf("%q in\n%s", absent, rules)
		}
	}
	checkSyntax(t, rules)
}

// checkSyntax asks nft itself, where it is there and may: the rest of the test holds without it.
func checkSyntax(t *testing.T, rules string) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		return
	}
	probe := exec.Command(nft, "list", "ruleset")
	if probe.Run() != nil {
		return
	}
	check := exec.Command(nft, "--check", "-f", "-")
	check.Stdin = strings.NewReader(rules)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, out, rules)
	}
}
