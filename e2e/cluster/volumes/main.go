// Volumes of the test cluster: a folder on the node for each claim of the StorageClass "local", which any user may write to, and
// which goes when its claim goes.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// The same name stands in addons/storage.yaml.
const provisioner = "tenant-cluster.test/folder"

type volumes struct {
	client kubernetes.Interface
	root   string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file")
	root := flag.String("root", "", "folder in which the volumes' folders lie")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client := kubernetes.NewForConfigOrDie(config)
	// Looking again now and then is the retry.
	factory := informers.NewSharedInformerFactory(client, 30*time.Second)
	v := &volumes{client: client, root: *root}
	claims, persistent := factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer()

	for informer, handle := range map[cache.SharedIndexInformer]func(any) error{
		claims:     func(o any) error { return v.provide(ctx, o.(*corev1.PersistentVolumeClaim)) },
		persistent: func(o any) error { return v.reclaim(ctx, o.(*corev1.PersistentVolume)) },
	} {
		logged := func(o any) {
			if err := handle(o); err != nil {
				log.Print(err)
			}
		}
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: logged, UpdateFunc: func(_, now any) { logged(now) },
		}); err != nil {
			log.Fatal(err)
		}
		go informer.Run(ctx.Done())
	}
	<-ctx.Done()
}

// provide makes a folder and a volume that is meant for this very claim; the volume controller, which has marked the claim with
// its class's provisioner, binds them.
func (v *volumes) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Annotations["volume.kubernetes.io/storage-provisioner"] != provisioner {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(v.root, name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	// Past the umask: the pods' users differ.
	if err := os.Chmod(path, 0o777); err != nil {
		return err
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              *claim.Spec.StorageClassName,
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}},
			ClaimRef: &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
		},
	}, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (v *volumes) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisioner || volume.Status.Phase != corev1.VolumeReleased ||
		volume.DeletionTimestamp != nil || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(v.root, volume.Name)); err != nil {
		return err
	}
	return v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
}
