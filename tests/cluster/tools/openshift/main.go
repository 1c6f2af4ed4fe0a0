// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, avi.egress contributors

// Kubernetes' own kube-apiserver, which admits pods by OpenShift's own SCC admission besides.
//
// OpenShift's fork of Kubernetes registers the same plugins at the same place. What else the fork has (its authorizers,
// quotas, image policies) is not here.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	serveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

func main() {
	os.Exit(cli.Run(command()))
}

// command is what app.NewAPIServerCommand makes, which lets nobody at its admission plugins.
func command() *cobra.Command {
	running := serveroptions.NewServerRunOptions()
	admitSCCs(running.Admission.GenericAdmission)
	context := genericapiserver.SetupSignalContext()
	server := &cobra.Command{
		Use:          "kube-apiserver",
		SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return featuregate.DefaultComponentGlobalsRegistry.Set()
		},
		RunE: func(*cobra.Command, []string) error {
			if err := logsapi.ValidateAndApply(running.Logs, nil); err != nil {
				return err
			}
			completed, err := running.Complete(context)
			if err != nil {
				return err
			}
			if faults := completed.Validate(); len(faults) != 0 {
				return errors.NewAggregate(faults)
			}
			return app.Run(context, completed)
		},
	}
	sets := running.Flags()
	serveroptions.AddCustomGlobalFlags(sets.FlagSet("generic"))
	for _, set := range sets.FlagSets {
		server.Flags().AddFlagSet(set)
	}
	return server
}
