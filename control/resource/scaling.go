package resource

import (
	"context"
	"slices"
	"strings"
	"time"

	"weir/metadata"
)

// VolumeScaling says by which rules the volumes of one cluster grow. It belongs to the cluster and goes with it, so that nothing outlives a cluster
// that was deleted before its rules were.
type VolumeScaling struct {
	Created time.Time `json:"created"`
	MinGiB  int32     `json:"minGiB"` // as it was given; volumes never shrink by themselves
	MaxGiB  int32     `json:"maxGiB"`
	RoleARN string    `json:"roleARN"`

	Suspended ScalingSuspended  `json:"suspended,omitzero"`
	Tags      map[string]string `json:"tags,omitempty"`
	Policies  []ScalingPolicy   `json:"policies,omitempty"`

	// Activities are the last that there were, oldest first.
	Activities []ScalingActivity `json:"activities,omitempty"`
}

// ScalingSuspended says what is suspended of scaling. Only Out concerns volumes.
type ScalingSuspended struct {
	In        bool `json:"in,omitempty"`
	Out       bool `json:"out,omitempty"`
	Scheduled bool `json:"scheduled,omitempty"`
}

// ScalingPolicy makes volumes grow when the fullest is fuller than Target.
type ScalingPolicy struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"` // in the policy's ARN
	Created time.Time `json:"created"`
	Target  float64   `json:"target"` // percent
	// As they were given. ScaleOutCooldown is how many seconds to wait after one step before the next.
	ScaleOutCooldown *int32 `json:"scaleOutCooldown,omitempty"`
	ScaleInCooldown  *int32 `json:"scaleInCooldown,omitempty"`
	DisableScaleIn   *bool  `json:"disableScaleIn,omitempty"`
}

// ScalingActivity is one growth of the volumes. How it ended is in its operation.
type ScalingActivity struct {
	ID        string    `json:"id"`
	Operation string    `json:"operation"`
	Policy    string    `json:"policy"`
	Started   time.Time `json:"started"`
	FromGiB   int32     `json:"fromGiB"`
	ToGiB     int32     `json:"toGiB"`
	Percent   float64   `json:"percent"` // how full the fullest volume was
	Target    float64   `json:"target"`
	Broker    int32     `json:"broker"` // whose volume that was
}

// Limits of a cluster's scaling.
const (
	ScalingActivitiesMax = 50
	ScalingPoliciesMax   = 1 // there is one metric, and one policy of a metric
	ScalingTargetMin     = 10
	ScalingTargetMax     = 80
	// ScalingRest is the least time between two steps: how full volumes are is reported every few seconds.
	ScalingRest = time.Minute
	// VolumeMaxGiB is how large a volume can be.
	VolumeMaxGiB = 16384
)

const volumeScaling = "volume-scaling"

// VolumeScalingKey holds the VolumeScaling record: attached/<cluster uuid>/volume-scaling.
func (s Scope) VolumeScalingKey(cluster string) string {
	return s.AttachedPrefix(cluster) + volumeScaling
}

// ScalableTargetARN is the ARN of the scalable target of a cluster, whose uuid it names.
func (s Scope) ScalableTargetARN(cluster string) string {
	return s.arn("application-autoscaling", "scalable-target/"+cluster)
}

// ScalableTargetOf returns the uuid of the cluster whose scalable target has that ARN; ok is false if it is no such ARN, or not one of the scope's.
func (s Scope) ScalableTargetOf(arn string) (cluster string, ok bool) {
	name, ok := s.own("application-autoscaling", arn)
	if !ok || name == arn {
		return "", false
	}
	cluster, ok = strings.CutPrefix(name, "scalable-target/")
	return cluster, ok && plainSegment(cluster)
}

// ScalingPolicyARN is the ARN of a policy.
func (s Scope) ScalingPolicyARN(cluster string, p *ScalingPolicy) string {
	return s.arn("autoscaling", "scalingPolicy:"+p.ID+":resource/kafka/"+cluster+":policyName/"+p.Name)
}

// ReadVolumeScaling returns a cluster's scaling; ok is false if it has none.
func ReadVolumeScaling(ctx context.Context, store metadata.Store, s Scope, cluster string) (v VolumeScaling, at metadata.Revision, ok bool, err error) {
	return read[VolumeScaling](ctx, store, s.VolumeScalingKey(cluster))
}

// Step is how large volumes become that have that size: larger by a tenth, or by 10 GiB if that is more, and not larger than MaxGiB. It is the same size
// if there is no room.
func (v *VolumeScaling) Step(gib int32) int32 {
	return max(gib, min(gib+max(10, (gib+9)/10), v.MaxGiB, VolumeMaxGiB))
}

// Cooldown is how long the policy waits after a step.
func (p *ScalingPolicy) Cooldown() time.Duration {
	if p.ScaleOutCooldown == nil {
		return ScalingRest
	}
	return max(time.Duration(*p.ScaleOutCooldown)*time.Second, ScalingRest)
}

// Due decides whether a policy wants volumes to grow now: percent is how full the fullest of volumes of size gib is. If none does but one will want to, wait
// is how long that takes at least; else it is zero.
func (v *VolumeScaling) Due(gib int32, percent float64, now time.Time) (p *ScalingPolicy, to int32, wait time.Duration) {
	to = v.Step(gib)
	if v.Suspended.Out || to == gib {
		return nil, gib, 0
	}
	for i := range v.Policies {
		p := &v.Policies[i]
		if percent <= p.Target {
			continue
		}
		if n := len(v.Activities); n > 0 {
			if left := v.Activities[n-1].Started.Add(p.Cooldown()).Sub(now); left > 0 {
				wait = left
				continue
			}
		}
		return p, to, 0
	}
	return nil, gib, wait
}

// With returns the scaling with one activity more.
func (v *VolumeScaling) With(a ScalingActivity) VolumeScaling {
	out := *v
	out.Activities = append(slices.Clone(v.Activities), a)
	if n := len(out.Activities); n > ScalingActivitiesMax {
		out.Activities = out.Activities[n-ScalingActivitiesMax:]
	}
	return out
}

// ParseAttachedKey says which cluster a record belongs to that goes with one; ok is false for every other key.
func ParseAttachedKey(key string) (s Scope, cluster, kind string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, AccountsPrefix), "/")
	if !strings.HasPrefix(key, AccountsPrefix) || len(parts) != 5 || parts[2] != "attached" || parts[3] == "" || parts[4] == "" {
		return Scope{}, "", "", false
	}
	return Scope{Account: parts[0], Region: parts[1]}, parts[3], parts[4], true
}

// IsVolumeScaling tells whether that kind of an attached record is VolumeScaling.
func IsVolumeScaling(kind string) bool { return kind == volumeScaling }
