package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"sort"
	"strings"
)

// The rules stand in the mangle table: it comes before filter, where kube-proxy accepts packets on its own account, and
// after the service address was replaced by the pod's, so policies judge the real destination.
const table = "mangle"

// From the node to its pods is never judged (OUTPUT): kubelet's probes must pass.
var hooks = []struct{ builtin, chain string }{{"FORWARD", prefix + "FORWARD"}, {"INPUT", prefix + "INPUT"}}

var chains = []string{prefix + "FORWARD", prefix + "INPUT", prefix + "EGRESS", prefix + "INGRESS", prefix + "SELF"}

// restore is the ruleset as iptables-restore takes it: these chains are emptied and filled in one transaction.
func (r *ruleset) restore() string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n", table)
	for _, chain := range chains {
		fmt.Fprintf(&b, ":%s - [0:0]\n", chain)
	}
	rule := func(chain, rule string) { fmt.Fprintf(&b, "-A %s%s %s\n", prefix, chain, rule) }
	rule("FORWARD", "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN")
	// A pod that is not known yet may neither send nor be reached: no packet passes before its policies.
	rule("FORWARD", fmt.Sprintf("-s %s -m set ! --match-set %s src -j DROP", r.podCIDR, r.known))
	rule("FORWARD", fmt.Sprintf("-d %s -m set ! --match-set %s dst -j DROP", r.podCIDR, r.known))
	rule("FORWARD", match(r.known, "src")+" "+match(r.known, "dst")+" -j "+prefix+"SELF")
	rule("FORWARD", match(r.egressIsolated, "src")+" -j "+prefix+"EGRESS")
	rule("FORWARD", match(r.ingressIsolated, "dst")+" -j "+prefix+"INGRESS")
	rule("INPUT", "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN")
	rule("INPUT", fmt.Sprintf("-s %s -m set ! --match-set %s src -j DROP", r.podCIDR, r.known))
	rule("INPUT", match(r.egressIsolated, "src")+" -j "+prefix+"EGRESS")
	for _, self := range r.self {
		rule("SELF", self)
	}
	for _, allow := range r.egress {
		rule("EGRESS", allow)
	}
	rule("EGRESS", "-j DROP")
	for _, allow := range r.ingress {
		rule("INGRESS", allow)
	}
	rule("INGRESS", "-j DROP")
	b.WriteString("COMMIT\n")
	return b.String()
}

// apply writes new sets, switches the rules over, and removes sets that nothing uses any more.
func (r *ruleset) apply() error {
	var create strings.Builder
	for _, name := range r.names() {
		s := r.sets[name]
		fmt.Fprintf(&create, "create %s %s\n", name, s.kind)
		for _, entry := range s.entries {
			fmt.Fprintf(&create, "add %s %s\n", name, entry)
		}
	}
	if err := run(create.String(), "ipset", "-exist", "restore"); err != nil {
		return err
	}
	if err := run(r.restore(), "iptables-restore", "--noflush", "--wait"); err != nil {
		return err
	}
	for _, hook := range hooks {
		if hooked(hook.builtin, hook.chain) {
			continue
		}
		if err := run("", "iptables", "--wait", "-t", table, "-I", hook.builtin, "-j", hook.chain); err != nil {
			return err
		}
	}
	return destroySets(func(name string) bool { _, used := r.sets[name]; return used })
}

func (r *ruleset) names() []string {
	var names []string
	for name := range r.sets {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func hooked(builtin, chain string) bool {
	return run("", "iptables", "--wait", "-t", table, "-C", builtin, "-j", chain) == nil
}

// inForce says whether the hooks still stand: others flush tables too.
func inForce() bool {
	for _, hook := range hooks {
		if !hooked(hook.builtin, hook.chain) {
			return false
		}
	}
	return true
}

// cleanup leaves nothing of ours in the kernel.
func cleanup() error {
	for _, hook := range hooks {
		for hooked(hook.builtin, hook.chain) {
			if err := run("", "iptables", "--wait", "-t", table, "-D", hook.builtin, "-j", hook.chain); err != nil {
				return err
			}
		}
	}
	for _, action := range []string{"-F", "-X"} {
		for _, chain := range chains {
			// A chain that was never made is no failure.
			_ = run("", "iptables", "--wait", "-t", table, action, chain)
		}
	}
	return destroySets(func(string) bool { return false })
}

func destroySets(keep func(string) bool) error {
	list, err := exec.Command("ipset", "list", "-name").Output()
	if err != nil {
		return fmt.Errorf("ipset list: %w", err)
	}
	var destroy strings.Builder
	for _, name := range strings.Fields(string(list)) {
		if strings.HasPrefix(name, prefix) && !keep(name) {
			fmt.Fprintf(&destroy, "destroy %s\n", name)
		}
	}
	if destroy.Len() == 0 {
		return nil
	}
	return run(destroy.String(), "ipset", "-exist", "restore")
}

func run(input, name string, args ...string) error {
	command := exec.Command(name, args...)
	command.Stdin = strings.NewReader(input)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(output.String()))
	}
	return nil
}
