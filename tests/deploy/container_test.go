package deploy

// The container and the manifests of Kubernetes.
//
// No engine is needed: the image is made by the lines of the Containerfile, and is run as an engine
// would, by namespaces: process 1, another user, a root that is read-only and holds nothing else.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"fourways/tests/harness"
)

// containerfile is what is used of one.
type containerfile struct {
	copies           [][]string // from, to
	user             string
	entrypoint, args []string
}

func readContainerfile(t *testing.T) (c containerfile) {
	for line := range strings.Lines(shipped(t, "container/Containerfile")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "FROM":
			require.Equal(t, "scratch", rest)
		case "COPY":
			c.copies = append(c.copies, strings.Fields(rest))
		case "USER":
			c.user = rest
		case "ENTRYPOINT":
			require.NoError(t, json.Unmarshal([]byte(rest), &c.entrypoint))
		case "CMD":
			require.NoError(t, json.Unmarshal([]byte(rest), &c.args))
		case "EXPOSE", "STOPSIGNAL", "", "#":
		default:
			require.Fail(t, "the test does not know "+word)
		}
	}
	require.NotEmpty(t, c.user)
	return c
}

// isolated has a script run with namespaces of its own, as process 1.
func isolated(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	unshare := needs(t, "unshare", "util-linux")
	needs(t, "mount", "mount") // by the scripts
	flags := []string{"--mount", "--pid", "--fork", "--kill-child"}
	if out, err := exec.Command(unshare, append(flags, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %s", out)
	}
	return exec.Command(unshare, append(append(flags, "sh", "-euc", script), args...)...)
}

// compiling is held by whoever has the program compiled as it is given away: two go commands at
// once would both compile all of it.
var compiling sync.Mutex

// TestAsAContainer: the image is made and run without an engine. It serves, is ready for probes,
// writes nowhere, and ends in order when process 1 gets SIGTERM.
func TestAsAContainer(t *testing.T) {
	t.Parallel()
	if harness.Race() {
		t.Skip("the race detector wants a C library")
	}
	c, dir := readContainerfile(t), short(t)
	www := written(t, dir, "www/index.html", "a page")
	program := filepath.Join(dir, "fourways")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "fourways/"+served)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	compiling.Lock()
	out, err := build.CombinedOutput()
	compiling.Unlock()
	require.NoError(t, err, "%s", out)
	from := map[string]string{"fourways": program, "www": filepath.Dir(www)}
	image := filepath.Join(dir, "image")
	for _, pair := range c.copies {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(image, pair[1])), 0o755))
		says(t, "cp", "-r", from[pair[0]], filepath.Join(image, pair[1]))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(image, "proc"), 0o755)) // an engine's
	args := append(c.entrypoint[1:], c.args...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "[::]:8080", "127.0.0.1:0")
	}
	cmd := isolated(t, `cd "$1"; image=$2; user=$3; shift 3
mount --bind "$image" "$image"; mount -t proc proc "$image/proc"; mount -o remount,bind,ro "$image"
exec chroot --userspec="$user" "$image" /fourways "$@"`, append([]string{"sh", dir, image, c.user}, args...)...)
	s := harness.StartCommand(t, cmd)
	for path, want := range map[string]string{"/": "a page", "/readyz": "ready\n", "/livez": "alive\n"} {
		status, body := s.Get(t, path)
		require.Equal(t, 200, status, path)
		require.Equal(t, strings.TrimSpace(want), strings.TrimSpace(string(body)), path)
	}
	inside := child(t, s.PID)
	text, err := os.ReadFile("/proc/" + inside + "/status")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^NSpid:.*\s1$`, string(text))
	require.Regexp(t, `(?m)^Uid:\s+65532\s`, string(text))
	mounts, err := os.ReadFile("/proc/" + inside + "/mounts")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^\S+ / \S+ ro,`, string(mounts))
	require.NoError(t, exec.Command("kill", "-TERM", inside).Run())
	require.Zero(t, s.Wait(t))
	require.NotZero(t, s.Log.Count("Stopped"))
}

// What the manifests use of Kubernetes' objects, strictly: another name is a mistake. The types are
// Kubernetes' own (apps/v1, core/v1, policy/v1) as far as they go; its library would be ten times
// the rest of this module.
type (
	meta struct {
		Name                string
		Labels, Annotations map[string]string
	}
	selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
		Spec       yaml.Node
	}
	deployment struct {
		Replicas int32
		Selector selector
		Strategy struct {
			Type          string
			RollingUpdate struct {
				MaxUnavailable int `yaml:"maxUnavailable"`
				MaxSurge       int `yaml:"maxSurge"`
			} `yaml:"rollingUpdate"`
		}
		Template struct {
			Metadata meta
			Spec     pod
		}
	}
	pod struct {
		EnableServiceLinks            *bool `yaml:"enableServiceLinks"`
		AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
		TerminationGracePeriodSeconds int64 `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               struct {
			RunAsNonRoot   bool              `yaml:"runAsNonRoot"`
			RunAsUser      int64             `yaml:"runAsUser"`
			RunAsGroup     int64             `yaml:"runAsGroup"`
			SeccompProfile map[string]string `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		TopologySpreadConstraints []struct {
			MaxSkew           int32    `yaml:"maxSkew"`
			TopologyKey       string   `yaml:"topologyKey"`
			WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
			LabelSelector     selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []struct {
			Name     string
			EmptyDir struct {
				SizeLimit string `yaml:"sizeLimit"`
			} `yaml:"emptyDir"`
		}
	}
	container struct {
		Name, Image string
		Args        []string
		Ports       []struct {
			Name          string
			ContainerPort int32 `yaml:"containerPort"`
		}
		ReadinessProbe  probe `yaml:"readinessProbe"`
		LivenessProbe   probe `yaml:"livenessProbe"`
		Resources       map[string]map[string]string
		SecurityContext struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
		PeriodSeconds    int32                       `yaml:"periodSeconds"`
		FailureThreshold int32                       `yaml:"failureThreshold"`
	}
	service struct {
		Selector map[string]string
		Ports    []struct {
			Name       string
			Port       int32
			TargetPort string `yaml:"targetPort"`
		}
	}
	disruptionBudget struct {
		MaxUnavailable int `yaml:"maxUnavailable"`
		Selector       selector
	}
)

// strictly decodes a node into a type that has all its names.
func strictly(t *testing.T, node *yaml.Node, into any) {
	t.Helper()
	text, err := yaml.Marshal(node)
	require.NoError(t, err)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	require.NoError(t, d.Decode(into))
}

// TestTheManifestsOfKubernetes: their names are right, they agree with one another, and the server
// takes the flags.
func TestTheManifestsOfKubernetes(t *testing.T) {
	t.Parallel()
	var d deployment
	var s service
	var b disruptionBudget
	specs := map[string]any{"apps/v1 Deployment": &d, "v1 Service": &s, "policy/v1 PodDisruptionBudget": &b}
	for documents := yaml.NewDecoder(strings.NewReader(shipped(t, "kubernetes/fourways.yaml"))); ; {
		var o object
		err := documents.Decode(&o)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		into := specs[o.APIVersion+" "+o.Kind]
		require.NotNil(t, into, o.Kind)
		delete(specs, o.APIVersion+" "+o.Kind)
		strictly(t, &o.Spec, into)
	}
	require.Empty(t, specs)
	labels := d.Template.Metadata.Labels
	for _, sel := range []map[string]string{d.Selector.MatchLabels, s.Selector, b.Selector.MatchLabels, d.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels} {
		require.Equal(t, labels, sel)
	}
	spec := d.Template.Spec
	c := spec.Containers[0]
	require.Equal(t, c.Ports[0].Name, s.Ports[0].TargetPort)
	require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, "/livez", c.LivenessProbe.HTTPGet.Path)
	require.True(t, c.SecurityContext.ReadOnlyRootFilesystem && spec.SecurityContext.RunAsNonRoot)
	require.Equal(t, c.VolumeMounts[0].Name, spec.Volumes[0].Name)
	image := readContainerfile(t)
	require.Equal(t, image.user, fmt.Sprintf("%d:%d", spec.SecurityContext.RunAsUser, spec.SecurityContext.RunAsGroup))
	root := filepath.Dir(written(t, t.TempDir(), "index.html", "a page"))
	args := append([]string{"-check"}, image.entrypoint[1:]...)
	for i := range args {
		args[i] = strings.NewReplacer("/srv/www", root, "[::]:8080", "127.0.0.1:0").Replace(args[i])
	}
	code, _, said := harness.Run(t, append(args, c.Args...)...)
	require.Zero(t, code, said)
	drain := 0
	for _, m := range regexp.MustCompile(`-drain-(?:delay|timeout)=(\d+)`).FindAllStringSubmatch(strings.Join(c.Args, " "), -1) {
		seconds, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		drain += seconds
	}
	require.Greater(t, int(spec.TerminationGracePeriodSeconds), drain+2, "nobody is killed before the server has had its time")
}
