package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const prefix = "TNP-"

// set is an ipset. Its name is a digest of its content, so a set never changes once made: new content is a new set,
// and one iptables-restore switches all rules to the new sets at once.
type set struct {
	name, kind string
	entries    []string
}

// ruleset is all that is written into the kernel.
type ruleset struct {
	podCIDR netip.Prefix
	sets    map[string]set
	// Rules of the chains in which "RETURN" means that some policy allows the packet.
	ingress, egress []string
	// Pods may always reach themselves (through a service, say).
	self                                   []string
	known, egressIsolated, ingressIsolated string
}

type namespacedPods struct {
	namespaces map[string]labels.Set
	pods       []*corev1.Pod
}

// compile is pure: same cluster, same ruleset.
func compile(podCIDR netip.Prefix, namespaces []*corev1.Namespace, pods []*corev1.Pod, policies []*networkingv1.NetworkPolicy) *ruleset {
	world := namespacedPods{namespaces: map[string]labels.Set{}}
	for _, ns := range namespaces {
		world.namespaces[ns.Name] = ns.Labels
	}
	for _, pod := range pods {
		if hasOwnAddress(podCIDR, pod) {
			world.pods = append(world.pods, pod)
		}
	}
	policies = slices.Clone(policies)
	sort.Slice(policies, func(i, j int) bool { return key(policies[i]) < key(policies[j]) })

	r := &ruleset{podCIDR: podCIDR, sets: map[string]set{}}
	var egressIsolated, ingressIsolated []*corev1.Pod
	for _, policy := range policies {
		own := &networkingv1.NetworkPolicyPeer{PodSelector: &policy.Spec.PodSelector}
		selected := world.matching(policy.Namespace, own)
		if len(selected) == 0 {
			continue
		}
		target := r.addresses(selected)
		if applies(policy, networkingv1.PolicyTypeIngress) {
			ingressIsolated = append(ingressIsolated, selected...)
			for _, rule := range policy.Spec.Ingress {
				r.ingress = append(r.ingress, r.allow(world, policy.Namespace, target, "dst", rule.From, "src", rule.Ports)...)
			}
		}
		if applies(policy, networkingv1.PolicyTypeEgress) {
			egressIsolated = append(egressIsolated, selected...)
			for _, rule := range policy.Spec.Egress {
				r.egress = append(r.egress, r.allow(world, policy.Namespace, target, "src", rule.To, "dst", rule.Ports)...)
			}
		}
	}
	r.ingress, r.egress = unique(r.ingress), unique(r.egress)
	r.known = r.addresses(world.pods)
	r.egressIsolated = r.addresses(egressIsolated)
	r.ingressIsolated = r.addresses(ingressIsolated)
	for _, pod := range append(egressIsolated, ingressIsolated...) {
		r.self = append(r.self, fmt.Sprintf("-s %s -d %s -j ACCEPT", pod.Status.PodIP, pod.Status.PodIP))
	}
	sort.Strings(r.self)
	r.self = slices.Compact(r.self)
	return r
}

// A pod on the host's network has the node's address, and that of a finished pod may already be another's.
func hasOwnAddress(podCIDR netip.Prefix, pod *corev1.Pod) bool {
	if pod.Spec.HostNetwork || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	address, err := netip.ParseAddr(pod.Status.PodIP)
	return err == nil && podCIDR.Contains(address)
}

func applies(policy *networkingv1.NetworkPolicy, kind networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return kind == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, kind)
}

// allow makes the rules for one entry of a policy: each combination of a peer match and a port match.
func (r *ruleset) allow(world namespacedPods, namespace, target, targetSide string, peers []networkingv1.NetworkPolicyPeer,
	peerSide string, ports []networkingv1.NetworkPolicyPort) []string {
	var rules []string
	for _, peer := range r.peerMatches(world, namespace, peers, peerSide) {
		for _, port := range r.portMatches(world, ports) {
			match := []string{match(target, targetSide), peer, port, "-j RETURN"}
			rules = append(rules, strings.Join(slices.DeleteFunc(match, func(s string) bool { return s == "" }), " "))
		}
	}
	return rules
}

func (r *ruleset) peerMatches(world namespacedPods, namespace string, peers []networkingv1.NetworkPolicyPeer, side string) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var matches []string
	var pods []*corev1.Pod
	for i := range peers {
		if block := peers[i].IPBlock; block == nil {
			pods = append(pods, world.matching(namespace, &peers[i])...)
		} else if name := r.networks(block); name != "" {
			matches = append(matches, match(name, side))
		}
	}
	if len(pods) > 0 {
		matches = append(matches, match(r.addresses(pods), side))
	}
	return matches
}

// The destination port, whichever side the policy is on. What cannot be expressed (SCTP) allows nothing.
func (r *ruleset) portMatches(world namespacedPods, ports []networkingv1.NetworkPolicyPort) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var matches []string
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if protocol != corev1.ProtocolTCP && protocol != corev1.ProtocolUDP {
			continue
		}
		p := "-p " + strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			matches = append(matches, p)
		case port.Port.Type == intstr.String:
			if name := r.namedPort(world, port.Port.StrVal, protocol); name != "" {
				matches = append(matches, p+" "+match(name, "dst,dst"))
			}
		case port.EndPort != nil:
			matches = append(matches, fmt.Sprintf("%s --dport %d:%d", p, port.Port.IntVal, *port.EndPort))
		default:
			matches = append(matches, fmt.Sprintf("%s --dport %d", p, port.Port.IntVal))
		}
	}
	return matches
}

// matching returns the pods of a peer with selectors; without namespaceSelector it means the policy's namespace.
func (w namespacedPods) matching(namespace string, peer *networkingv1.NetworkPolicyPeer) []*corev1.Pod {
	inNamespace, inPod := selector(peer.NamespaceSelector), selector(peer.PodSelector)
	var pods []*corev1.Pod
	for _, pod := range w.pods {
		if peer.NamespaceSelector == nil {
			if pod.Namespace != namespace {
				continue
			}
		} else if own, exists := w.namespaces[pod.Namespace]; !exists || !inNamespace.Matches(own) {
			continue
		}
		if inPod.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

func selector(s *metav1.LabelSelector) labels.Selector {
	if s == nil {
		return labels.Everything()
	}
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return parsed
}

func (r *ruleset) addresses(pods []*corev1.Pod) string {
	var entries []string
	for _, pod := range pods {
		entries = append(entries, pod.Status.PodIP)
	}
	return r.add("hash:ip", entries)
}

// Where a port's name leads is up to each destination pod.
func (r *ruleset) namedPort(world namespacedPods, name string, protocol corev1.Protocol) string {
	var entries []string
	for _, pod := range world.pods {
		for _, container := range append(slices.Clone(pod.Spec.Containers), pod.Spec.InitContainers...) {
			for _, port := range container.Ports {
				if port.Name == name && port.Protocol == protocol {
					entries = append(entries, fmt.Sprintf("%s,%s:%d", pod.Status.PodIP, strings.ToLower(string(protocol)), port.ContainerPort))
				}
			}
		}
	}
	if len(entries) == 0 {
		return ""
	}
	return r.add("hash:ip,port", entries)
}

// One set for each block, so that an exception takes nothing from another block. hash:net has no /0.
func (r *ruleset) networks(block *networkingv1.IPBlock) string {
	cidr, err := netip.ParsePrefix(block.CIDR)
	if err != nil || !cidr.Addr().Is4() {
		return ""
	}
	var except []string
	for _, e := range block.Except {
		if p, err := netip.ParsePrefix(e); err == nil {
			except = append(except, p.Masked().String())
		}
	}
	nets := []string{cidr.Masked().String()}
	if cidr.Bits() == 0 {
		nets = []string{"0.0.0.0/1", "128.0.0.0/1"}
	}
	var entries []string
	for _, net := range nets {
		if !slices.Contains(except, net) {
			entries = append(entries, net)
		}
	}
	for _, e := range except {
		if !slices.Contains(nets, e) {
			entries = append(entries, e+" nomatch")
		}
	}
	return r.add("hash:net", entries)
}

func (r *ruleset) add(kind string, entries []string) string {
	sort.Strings(entries)
	entries = slices.Compact(entries)
	digest := sha256.Sum256([]byte(kind + "\n" + strings.Join(entries, "\n")))
	name := prefix + hex.EncodeToString(digest[:10])
	r.sets[name] = set{name: name, kind: kind, entries: entries}
	return name
}

func match(set, side string) string { return "-m set --match-set " + set + " " + side }

func key(policy *networkingv1.NetworkPolicy) string { return policy.Namespace + "/" + policy.Name }

func unique(rules []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(rules, func(rule string) bool {
		if seen[rule] {
			return true
		}
		seen[rule] = true
		return false
	})
}
