package main

import (
	"fmt"
	"sort"
	"strings"
)

// place is the node that rules are for.
type place struct {
	node    string
	bridge  string
	podCIDR string
}

// tables: what was there is replaced in one transaction, without a moment in between. A pod always reaches
// itself; the node reaches its own pods (the kubelet's probes do not pass the forward hook). Frames that are
// neither IPv4 nor ARP do not pass the bridge at all, since no policy here could speak of them.
const tables = `table ip perigee
delete table ip perigee
table bridge perigee
delete table bridge perigee
table ip perigee {
  set known { type ipv4_addr; %[3]s }
  set self { type ipv4_addr . ipv4_addr; %[4]s }
%[5]s  map ingress { type ipv4_addr : verdict; %[6]s }
  map egress { type ipv4_addr : verdict; %[7]s }
  chain forward {
    type filter hook forward priority -10; policy accept;
    ct state established,related accept
    iifname %[1]q ip saddr != @known counter drop
    ip saddr . ip daddr @self accept
    ip saddr vmap @egress
    ip daddr vmap @ingress
    ip daddr %[2]s ip daddr != @known counter drop
  }
  chain input {
    type filter hook input priority -10; policy accept;
    ct state established,related accept
    iifname %[1]q ip saddr != @known counter drop
    ip saddr vmap @egress
  }
}
table bridge perigee {
  chain forward { type filter hook forward priority -300; policy accept; ether type != { ip, arp } counter drop; }
  chain input { type filter hook input priority -300; policy accept; ether type != { ip, arp } counter drop; }
}
`

// ruleset is everything that nft is to hold for the pods of one node.
func ruleset(p place, w world) string {
	var chains strings.Builder
	var known, self []string
	jumps := map[direction][]string{}
	seen := map[string]bool{}
	for _, pod := range w.pods {
		ip := pod.Status.PodIP
		if pod.Spec.NodeName != p.node || seen[ip] {
			continue // an address seen twice: the newer pod has it
		}
		seen[ip] = true
		known = append(known, ip)
		self = append(self, ip+" . "+ip)
		for _, d := range []direction{ingress, egress} {
			lines, isolated := w.allowed(pod, d)
			if !isolated {
				continue
			}
			chain := d.chain + "_" + strings.ReplaceAll(ip, ".", "_")
			fmt.Fprintf(&chains, "  chain %s { # %s/%s\n", chain, pod.Namespace, pod.Name)
			for _, line := range lines {
				fmt.Fprintf(&chains, "    %s\n", line)
			}
			chains.WriteString("    counter drop\n  }\n")
			jumps[d] = append(jumps[d], ip+" : jump "+chain)
		}
	}
	return fmt.Sprintf(tables, p.bridge, p.podCIDR, elements(known), elements(self), chains.String(),
		elements(jumps[ingress]), elements(jumps[egress]))
}

func elements(members []string) string {
	if len(members) == 0 {
		return ""
	}
	sort.Strings(members)
	return "elements = { " + strings.Join(members, ", ") + " }"
}
