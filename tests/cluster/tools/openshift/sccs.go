// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, avi.egress contributors

package main

import (
	"context"
	"io"
	"slices"

	securityv1 "github.com/openshift/api/security/v1"
	"github.com/openshift/apiserver-library-go/pkg/securitycontextconstraints/sccadmission"
	listers "github.com/openshift/client-go/security/listers/security/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/admission"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

const execRestrictions = "security.openshift.io/SCCExecRestrictions"

// admitSCCs puts OpenShift's plugins where OpenShift has them: after Kubernetes' own, before webhooks and policies.
func admitSCCs(running *options.AdmissionOptions) {
	known := newSCCs()
	running.Plugins.Register(sccsName, func(io.Reader) (admission.Interface, error) { return known, nil })
	running.Plugins.Register(sccadmission.PluginName, func(io.Reader) (admission.Interface, error) {
		plugin := sccadmission.NewConstraint()
		plugin.SetSecurityInformers(known)
		return plugin, nil
	})
	running.Plugins.Register(execRestrictions, func(io.Reader) (admission.Interface, error) {
		plugin := sccadmission.NewSCCExecRestrictions()
		plugin.SetSecurityInformers(known)
		return plugin, nil
	})
	order := slices.Clone(running.RecommendedPluginOrder)
	first := slices.Index(order, mutatingpolicy.PluginName)
	running.RecommendedPluginOrder = slices.Insert(order, first, sccsName, sccadmission.PluginName, execRestrictions)
}

const sccsName = "SecurityContextConstraints"

// sccs is what OpenShift's plugins know of the SCCs. It is a plugin itself, for these alone are given a client.
type sccs struct {
	*admission.Handler
	client   dynamic.ResourceInterface
	informer cache.SharedIndexInformer
}

func newSCCs() *sccs {
	known := &sccs{Handler: admission.NewHandler()}
	known.informer = cache.NewSharedIndexInformer(
		&cache.ListWatch{
			ListFunc: func(options metav1.ListOptions) (runtime.Object, error) {
				return known.client.List(context.Background(), options)
			},
			WatchFunc: func(options metav1.ListOptions) (watch.Interface, error) {
				return known.client.Watch(context.Background(), options)
			},
		},
		&unstructured.Unstructured{}, 0, cache.Indexers{})
	return known
}

func typed(found any) (any, error) {
	read, ok := found.(*unstructured.Unstructured)
	if !ok {
		return found, nil
	}
	constraints := &securityv1.SecurityContextConstraints{}
	return constraints, runtime.DefaultUnstructuredConverter.FromUnstructured(read.Object, constraints)
}

// SetDynamicClient begins to watch. The kind is there once somebody has defined it.
func (known *sccs) SetDynamicClient(client dynamic.Interface) {
	known.client = client.Resource(securityv1.GroupVersion.WithResource("securitycontextconstraints"))
	if err := known.informer.SetTransform(typed); err != nil {
		panic(err)
	}
	go known.informer.Run(context.Background().Done())
}

// ValidateInitialization is what a plugin that wants something has.
func (known *sccs) ValidateInitialization() error { return nil }

// Informer is of the SCCs, as OpenShift's plugins ask for it.
func (known *sccs) Informer() cache.SharedIndexInformer { return known.informer }

// Lister reads what the informer has seen.
func (known *sccs) Lister() listers.SecurityContextConstraintsLister {
	return listers.NewSecurityContextConstraintsLister(known.informer.GetIndexer())
}
