package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var podCIDR = netip.MustParsePrefix("10.244.0.0/24")

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}}}
}

func pod(ns, name, address string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{Name: "web", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}}}},
		Status: corev1.PodStatus{PodIP: address},
	}
}

func policy(ns string, spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "p"}, Spec: spec}
}

func labelled(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func (r *ruleset) entriesIn(t *testing.T, name string) []string {
	t.Helper()
	s, exists := r.sets[name]
	if !exists {
		t.Fatalf("no set %s", name)
	}
	return s.entries
}

func setsOf(rule string) (names []string) {
	fields := strings.Fields(rule)
	for i, field := range fields {
		if field == "--match-set" {
			names = append(names, fields[i+1])
		}
	}
	return
}

func TestIngressFromAnotherNamespaceOnANamedPort(t *testing.T) {
	port := intstr.FromString("web")
	r := compile(podCIDR, []*corev1.Namespace{namespace("a"), namespace("b")},
		[]*corev1.Pod{pod("a", "server", "10.244.0.2"), pod("a", "other", "10.244.0.3"), pod("b", "client", "10.244.0.4")},
		[]*networkingv1.NetworkPolicy{policy("a", networkingv1.NetworkPolicySpec{
			PodSelector: *labelled("app", "server"),
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  []networkingv1.NetworkPolicyPeer{{NamespaceSelector: labelled("name", "b")}},
				Ports: []networkingv1.NetworkPolicyPort{{Port: &port}},
			}},
		})})
	if len(r.ingress) != 1 || len(r.egress) != 0 {
		t.Fatalf("ingress %v, egress %v", r.ingress, r.egress)
	}
	sets := setsOf(r.ingress[0])
	for i, want := range [][]string{{"10.244.0.2"}, {"10.244.0.4"},
		{"10.244.0.2,tcp:8080", "10.244.0.3,tcp:8080", "10.244.0.4,tcp:8080"}} {
		if got := r.entriesIn(t, sets[i]); !slices.Equal(got, want) {
			t.Errorf("set %d of %q: %v, want %v", i, r.ingress[0], got, want)
		}
	}
	if got := r.entriesIn(t, r.ingressIsolated); !slices.Equal(got, []string{"10.244.0.2"}) {
		t.Errorf("isolated: %v", got)
	}
	if got := r.entriesIn(t, r.egressIsolated); len(got) != 0 {
		t.Errorf("isolated for egress: %v", got)
	}
}

func TestBlocks(t *testing.T) {
	for _, test := range []struct {
		name  string
		block networkingv1.IPBlock
		want  []string
	}{
		{"plain", networkingv1.IPBlock{CIDR: "192.0.2.7/24"}, []string{"192.0.2.0/24"}},
		{"exception", networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}},
			[]string{"10.0.0.0/8", "10.1.0.0/16 nomatch"}},
		{"everything", networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}},
			[]string{"0.0.0.0/1", "10.0.0.0/8 nomatch", "128.0.0.0/1"}},
		{"everything but a half", networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"128.0.0.0/1"}}, []string{"0.0.0.0/1"}},
	} {
		r := &ruleset{sets: map[string]set{}}
		if got := r.entriesIn(t, r.networks(&test.block)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestWhatCannotBeExpressedAllowsNothing(t *testing.T) {
	sctp := corev1.ProtocolSCTP
	six := networkingv1.IPBlock{CIDR: "fd00::/8"}
	r := compile(podCIDR, []*corev1.Namespace{namespace("a")}, []*corev1.Pod{pod("a", "x", "10.244.0.2")},
		[]*networkingv1.NetworkPolicy{policy("a", networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				{Ports: []networkingv1.NetworkPolicyPort{{Protocol: &sctp}}},
				{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &six}}},
				{To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: labelled("name", "none")}}},
			},
		})})
	if len(r.egress) != 0 || len(r.entriesIn(t, r.egressIsolated)) != 1 {
		t.Errorf("egress %v", r.egress)
	}
}

func TestAddressesThatAreNotThePodsOwnAreLeftOut(t *testing.T) {
	onHost, finished, waiting := pod("a", "h", "10.97.0.1"), pod("a", "f", "10.244.0.2"), pod("a", "w", "")
	onHost.Spec.HostNetwork = true
	finished.Status.Phase = corev1.PodSucceeded
	r := compile(podCIDR, nil, []*corev1.Pod{onHost, finished, waiting, pod("a", "x", "10.244.0.3")}, nil)
	if got := r.entriesIn(t, r.known); !slices.Equal(got, []string{"10.244.0.3"}) {
		t.Errorf("known: %v", got)
	}
}

func TestSameClusterSameRules(t *testing.T) {
	pods := []*corev1.Pod{pod("a", "x", "10.244.0.2"), pod("a", "y", "10.244.0.3")}
	policies := []*networkingv1.NetworkPolicy{
		policy("a", networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}}),
		policy("b", networkingv1.NetworkPolicySpec{}),
	}
	namespaces := []*corev1.Namespace{namespace("a"), namespace("b")}
	once := compile(podCIDR, namespaces, pods, policies).restore()
	slices.Reverse(pods)
	slices.Reverse(policies)
	if again := compile(podCIDR, namespaces, pods, policies).restore(); once != again {
		t.Errorf("%s\n---\n%s", once, again)
	}
}
