// A cluster's life, told with the AWS SDK for JavaScript 3. Usage: node story.js SUBNET,SUBNET,SUBNET
'use strict'
const assert = require('node:assert')
const k = require('@aws-sdk/client-kafka')
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts')

const kafka = new k.KafkaClient({ maxAttempts: 1 })
const send = (Command, input) => kafka.send(new Command(input))

async function until(what, condition) {
  const end = Date.now() + 300_000
  while (!(await condition())) {
    assert(Date.now() < end, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function story(subnets) {
  const identity = await new STSClient({ maxAttempts: 1 }).send(new GetCallerIdentityCommand({}))
  assert.strictEqual(identity.Account, '000000000000')
  const { KafkaVersions: versions } = await send(k.ListKafkaVersionsCommand, {})
  const request = {
    ClusterName: 'from-javascript',
    Provisioned: {
      KafkaVersion: versions.at(-1).Version,
      NumberOfBrokerNodes: 3,
      BrokerNodeGroupInfo: { InstanceType: 'kafka.m5.large', ClientSubnets: subnets },
    },
    Tags: { language: 'JavaScript, ü' },
  }
  const created = await send(k.CreateClusterV2Command, request)
  const ClusterArn = created.ClusterArn
  assert.strictEqual(created.State, 'CREATING')
  await assert.rejects(send(k.CreateClusterV2Command, request), k.ConflictException)
  let info
  await until('ACTIVE', async () => {
    info = (await send(k.DescribeClusterV2Command, { ClusterArn })).ClusterInfo
    return info.State === 'ACTIVE'
  })
  assert(info.CreationTime instanceof Date && info.CurrentVersion && info.Provisioned.NumberOfBrokerNodes === 3)
  assert.deepStrictEqual(info.Tags, request.Tags)
  const { BootstrapBrokerString } = await send(k.GetBootstrapBrokersCommand, { ClusterArn })
  assert.strictEqual(BootstrapBrokerString.split(',').length, 3)
  const arns = []
  for await (const page of k.paginateListClustersV2({ client: kafka, pageSize: 1 }, {})) {
    assert(page.ClusterInfoList.length <= 1)
    arns.push(...page.ClusterInfoList.map((c) => c.ClusterArn))
  }
  assert(arns.length >= 2 && arns.includes(ClusterArn), arns)
  await send(k.TagResourceCommand, { ResourceArn: ClusterArn, Tags: { 'a/b': 'c d' } })
  const { Tags } = await send(k.ListTagsForResourceCommand, { ResourceArn: ClusterArn })
  assert.deepStrictEqual(Tags, { ...request.Tags, 'a/b': 'c d' })

  // Starts an update from the current version and waits for the operation's end.
  const updated = async (Command, input) => {
    const { ClusterInfo } = await send(k.DescribeClusterCommand, { ClusterArn })
    const { ClusterOperationArn } = await send(Command, { ClusterArn, CurrentVersion: ClusterInfo.CurrentVersion, ...input })
    let o
    await until('the end of the operation', async () => {
      o = (await send(k.DescribeClusterOperationCommand, { ClusterOperationArn })).ClusterOperationInfo
      assert(['PENDING', 'UPDATE_IN_PROGRESS', 'UPDATE_COMPLETE'].includes(o.OperationState), JSON.stringify(o))
      return o.OperationState === 'UPDATE_COMPLETE'
    })
    return o
  }
  const properties = Buffer.from('log.retention.hours=48\n')
  const made = await send(k.CreateConfigurationCommand, { Name: 'of-javascript', ServerProperties: properties })
  const Revision = made.LatestRevision.Revision
  const stored = await send(k.DescribeConfigurationRevisionCommand, { Arn: made.Arn, Revision })
  assert.strictEqual(Buffer.from(stored.ServerProperties).toString(), properties.toString())
  await updated(k.UpdateClusterConfigurationCommand, { ConfigurationInfo: { Arn: made.Arn, Revision } })
  const volumes = info.Provisioned.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize
  await updated(k.UpdateBrokerStorageCommand, { TargetBrokerEBSVolumeInfo: [{ KafkaBrokerNodeId: 'All', VolumeSizeGB: volumes + 10 }] })
  const counted = await updated(k.UpdateBrokerCountCommand, { TargetNumberOfBrokerNodes: 6 })
  assert.strictEqual(counted.SourceClusterInfo.NumberOfBrokerNodes, 3)
  assert.strictEqual(counted.TargetClusterInfo.NumberOfBrokerNodes, 6)
  const stale = { ClusterArn, CurrentVersion: 'KOLD', TargetNumberOfBrokerNodes: 9 }
  await assert.rejects(send(k.UpdateBrokerCountCommand, stale), (err) => err instanceof k.BadRequestException && /isn't current/.test(err.message))
  const now = (await send(k.DescribeClusterV2Command, { ClusterArn })).ClusterInfo.Provisioned
  assert.strictEqual(now.NumberOfBrokerNodes, 6)
  assert.strictEqual(now.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize, volumes + 10)
  assert.strictEqual(now.CurrentBrokerSoftwareInfo.ConfigurationArn, made.Arn)
  assert.strictEqual(Number(now.CurrentBrokerSoftwareInfo.ConfigurationRevision), Number(Revision))

  const deleted = await send(k.DeleteClusterCommand, { ClusterArn })
  assert.strictEqual(deleted.State, 'DELETING')
  await until('gone', async () => {
    try {
      await send(k.DescribeClusterV2Command, { ClusterArn })
      return false
    } catch (err) {
      if (err instanceof k.NotFoundException) return true
      throw err
    }
  })
  await send(k.DeleteConfigurationCommand, { Arn: made.Arn })
  console.log('ok')
}

story(process.argv[2].split(',')).catch((err) => {
  console.error(err)
  process.exit(1)
})
