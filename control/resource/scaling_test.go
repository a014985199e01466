package resource

import "testing"

func TestScalingStep(t *testing.T) {
	for _, tt := range []struct{ max, gib, want int32 }{
		{16384, 1, 11},
		{16384, 100, 110},
		{16384, 101, 112},
		{16384, 1000, 1100},
		{1050, 1000, 1050},
		{1000, 1000, 1000},
		{500, 1000, 1000}, // they were made larger by hand
		{16384, 16000, 16384},
		{1 << 30, 16384, 16384},
	} {
		if got := (&VolumeScaling{MaxGiB: tt.max}).Step(tt.gib); got != tt.want {
			t.Errorf("from %d, at most %d: %d, want %d", tt.gib, tt.max, got, tt.want)
		}
	}
}

func TestScalingActivitiesAreBounded(t *testing.T) {
	var v VolumeScaling
	for i := range int32(3 * ScalingActivitiesMax) {
		v = v.With(ScalingActivity{ToGiB: i})
	}
	if n := len(v.Activities); n != ScalingActivitiesMax || v.Activities[n-1].ToGiB != 3*ScalingActivitiesMax-1 {
		t.Errorf("%d activities, the last %+v", n, v.Activities[n-1])
	}
}

func TestParseAttachedKey(t *testing.T) {
	s := Scope{Account: "000000000000", Region: "us-east-1"}
	if got, c, kind, ok := ParseAttachedKey(s.VolumeScalingKey("u")); got != s || c != "u" || !IsVolumeScaling(kind) || !ok {
		t.Errorf("%v, %s, %s, %v", got, c, kind, ok)
	}
	for _, key := range []string{s.ClusterKey("u"), s.AttachedPrefix("u"), s.OperationKey("u", "o"), "x"} {
		if _, _, _, ok := ParseAttachedKey(key); ok {
			t.Errorf("%s is taken for one", key)
		}
	}
	for text, want := range map[string]bool{
		s.ScalableTargetARN("u"): true, s.ScalableTargetARN(""): false, s.ScalableTargetARN("a/b"): false, "u": false,
		Scope{Account: "111111111111", Region: "us-east-1"}.ScalableTargetARN("u"): false,
	} {
		if c, ok := s.ScalableTargetOf(text); ok != want || ok && c != "u" {
			t.Errorf("%s: %s, %v", text, c, ok)
		}
	}
}
