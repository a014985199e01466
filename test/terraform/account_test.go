package terraform

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func kmsKey() resource {
	// A key that waits for its deletion is gone, for Terraform.
	find := func(ctx context.Context, p *provider, id string) (*kmstypes.KeyMetadata, error) {
		out, err := p.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		if is[*kmstypes.NotFoundException](err) {
			return nil, nil
		}
		if err != nil || out.KeyMetadata.KeyState == kmstypes.KeyStatePendingDeletion {
			return nil, err
		}
		return out.KeyMetadata, nil
	}
	state := func(p *provider, id string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			k, err := find(ctx, p, id)
			if k == nil {
				return "", err
			}
			return string(k.KeyState), err
		}
	}
	return resource{
		schema: schema{
			computed: []string{"id", "arn", "key_id", "policy", "deletion_window_in_days"},
			defaults: object{"key_usage": "ENCRYPT_DECRYPT", "customer_master_key_spec": "SYMMETRIC_DEFAULT", "is_enabled": true},
			json:     []string{"policy"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			in := &kms.CreateKeyInput{
				Description: text(config, "description"), KeySpec: kmstypes.KeySpecSymmetricDefault, KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt,
				MultiRegion: aws.Bool(false),
			}
			for k, v := range tags(config) {
				in.Tags = append(in.Tags, kmstypes.Tag{TagKey: aws.String(k), TagValue: aws.String(v)})
			}
			out, err := p.kms.CreateKey(ctx, in)
			if err != nil {
				return "", err
			}
			id := *out.KeyMetadata.KeyId
			if err := (waiter{pending: []string{"Disabled", "Creating"}, target: []string{"Enabled"}}).wait(ctx, state(p, id)); err != nil {
				return "", err
			}
			if *flag(config, "enable_key_rotation") {
				_, err = p.kms.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})
			}
			return id, err
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			k, err := find(ctx, p, id)
			if k == nil {
				return nil, err
			}
			policy, err := p.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: aws.String("default")})
			if err != nil {
				return nil, err
			}
			rotation, err := p.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &id})
			if err != nil {
				return nil, err
			}
			list, err := p.kms.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id})
			if err != nil {
				return nil, err
			}
			labels := object{}
			for _, t := range list.Tags {
				labels[*t.TagKey] = *t.TagValue
			}
			return object{
				"arn": *k.Arn, "key_id": *k.KeyId, "description": aws.ToString(k.Description), "key_usage": k.KeyUsage, "customer_master_key_spec": k.KeySpec,
				"is_enabled": k.Enabled, "policy": *policy.Policy, "enable_key_rotation": rotation.KeyRotationEnabled, "tags": labels,
			}, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, _ object, d []difference) error {
			if under(d, "description") {
				_, err := p.kms.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: text(config, "description")})
				return err
			}
			return fmt.Errorf("not written here: %v", d)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			_, err := p.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)})
			if err != nil {
				return err
			}
			return waiter{pending: []string{"Enabled", "Disabled"}}.wait(ctx, state(p, id))
		},
	}
}

func logGroup() resource {
	return resource{
		schema: schema{
			computed: []string{"id", "arn"}, defaults: object{"log_group_class": "STANDARD"}, replace: []string{"name"},
		},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			name := text(config, "name")
			in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name, Tags: tags(config), LogGroupClass: logstypes.LogGroupClassStandard}
			if _, err := p.logs.CreateLogGroup(ctx, in); err != nil {
				return "", err
			}
			if days := number(config, "retention_in_days"); days != nil {
				_, err := p.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: days})
				return *name, err
			}
			return *name, nil
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			for pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(p.logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &id}); pages.HasMorePages(); {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, g := range page.LogGroups {
					if *g.LogGroupName != id {
						continue
					}
					arn := strings.TrimSuffix(*g.Arn, ":*")
					list, err := p.logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
					if err != nil {
						return nil, err
					}
					return object{
						"arn": arn, "name": id, "retention_in_days": aws.ToInt32(g.RetentionInDays), "log_group_class": g.LogGroupClass,
						"kms_key_id": aws.ToString(g.KmsKeyId), "tags": list.Tags,
					}, nil
				}
			}
			return nil, nil
		},
		update: func(ctx context.Context, p *provider, id string, config, _ object, d []difference) error {
			if under(d, "retention_in_days") {
				_, err := p.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &id, RetentionInDays: number(config, "retention_in_days")})
				return err
			}
			return fmt.Errorf("not written here: %v", d)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			_, err := p.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &id})
			return err
		},
	}
}

func secret() resource {
	find := func(ctx context.Context, p *provider, id string) (*secretsmanager.DescribeSecretOutput, error) {
		out, err := p.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
		if is[*secretstypes.ResourceNotFoundException](err) || err == nil && out.DeletedDate != nil {
			return nil, nil
		}
		return out, err
	}
	return resource{
		schema: schema{computed: []string{"id", "arn", "policy", "recovery_window_in_days"}, replace: []string{"name"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			in := &secretsmanager.CreateSecretInput{Name: text(config, "name"), KmsKeyId: text(config, "kms_key_id"), Description: text(config, "description")}
			for k, v := range tags(config) {
				in.Tags = append(in.Tags, secretstypes.Tag{Key: aws.String(k), Value: aws.String(v)})
			}
			out, err := p.secrets.CreateSecret(ctx, in)
			if err != nil {
				return "", err
			}
			return *out.ARN, nil
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			s, err := find(ctx, p, id)
			if s == nil || err != nil {
				return nil, err
			}
			policy, err := p.secrets.GetResourcePolicy(ctx, &secretsmanager.GetResourcePolicyInput{SecretId: &id})
			if err != nil {
				return nil, err
			}
			labels := object{}
			for _, t := range s.Tags {
				labels[*t.Key] = *t.Value
			}
			return object{
				"arn": *s.ARN, "name": *s.Name, "kms_key_id": aws.ToString(s.KmsKeyId), "description": aws.ToString(s.Description),
				"policy": aws.ToString(policy.ResourcePolicy), "tags": labels,
			}, nil
		},
		update: func(_ context.Context, _ *provider, _ string, _, _ object, d []difference) error {
			return fmt.Errorf("not written here: %v", d)
		},
		remove: func(ctx context.Context, p *provider, id string, _ object) error {
			_, err := p.secrets.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true)})
			if err != nil {
				return err
			}
			return waiter{}.wait(ctx, func(ctx context.Context) (string, error) {
				s, err := find(ctx, p, id)
				if s == nil {
					return "", err
				}
				return "there", err
			})
		},
	}
}

func secretVersion() resource {
	return resource{
		schema: schema{computed: []string{"id", "arn", "version_id"}, replace: []string{"secret_id", "secret_string"}, json: []string{"secret_string"}},
		create: func(ctx context.Context, p *provider, config object) (string, error) {
			out, err := p.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: text(config, "secret_id"), SecretString: text(config, "secret_string")})
			if err != nil {
				return "", err
			}
			return *text(config, "secret_id") + "|" + *out.VersionId, nil
		},
		read: func(ctx context.Context, p *provider, id string, _ object) (object, error) {
			secret, version, _ := strings.Cut(id, "|")
			out, err := p.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret, VersionId: &version})
			if is[*secretstypes.ResourceNotFoundException](err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return object{"arn": *out.ARN, "secret_id": secret, "secret_string": *out.SecretString, "version_id": version}, nil
		},
		remove: nil, // a current version is not removed by itself: it goes with its secret
	}
}
