// One binary with every Kubernetes program that the test cluster starts. The name it is called by, or else
// its first argument, picks the program. One binary, because each alone would be linked from the same code.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	if args, ok := argsOf("etcd"); ok {
		etcdmain.Main(args)
		return
	}
	for name, command := range programs {
		if args, ok := argsOf(name); ok {
			os.Args = args
			os.Exit(cli.Run(command()))
		}
	}
	fmt.Fprintln(os.Stderr, "which program? Call it by the name of one, or give the name first")
	os.Exit(2)
}

// argsOf is the arguments of the program `name`, if it is the one that was asked for.
func argsOf(name string) ([]string, bool) {
	if filepath.Base(os.Args[0]) == name {
		return slices.Clone(os.Args), true
	}
	if len(os.Args) > 1 && os.Args[1] == name {
		return slices.Clone(os.Args[1:]), true
	}
	return nil, false
}
