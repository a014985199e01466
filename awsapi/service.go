package awsapi

// Protocol is a wire protocol of the AWS APIs, by its Smithy name.
type Protocol string

// The protocols that models name. RPCv2CBOR is known and answered with a clear fault until CloudWatch needs it.
const (
	RestJSON1 Protocol = "restJson1"
	JSON10    Protocol = "awsJson1_0"
	JSON11    Protocol = "awsJson1_1"
	Query     Protocol = "awsQuery"
	EC2Query  Protocol = "ec2Query"
	RPCv2CBOR Protocol = "rpcv2Cbor"
)

// Service is a generated struct with one func field per operation, whose field names are the operations' names:
//
//	CreateCluster func(ctx context.Context, in *CreateClusterInput) (*CreateClusterOutput, error)
//
// A nil field is an operation that is not built. Inputs are decoded and validated; an operation may keep and change what it is given.
type Service interface {
	Model() *ServiceModel
}

// ServiceModel says how a service is called over the wire. It is data generated from the service's model.
type ServiceModel struct {
	Name         string // the AWS CLI's name and our folder's: "kafka", "cloudwatch"
	Title        string // for people: "Amazon EC2"
	SigningName  string // service part of the credential scope
	APIVersion   string
	Protocols    []Protocol // all doors that are served; rest protocols come alone
	TargetPrefix string     // of X-Amz-Target, for awsJson
	XMLNamespace string     // of answers, for query and ec2
	Global       bool       // one endpoint for all regions: the scope may also say us-east-1
	QueryErrors  bool       // awsQueryCompatible: error codes of the query protocol travel in a header of awsJson answers
	Validation   Validation
	Operations   []OperationModel
}

// OperationModel is one row of a service's operation table.
type OperationModel struct {
	Name          string
	Method        string
	URI           string // template of a rest protocol: "/v1/clusters/{clusterArn}"
	Status        int    // of a success; 0 means 200
	ResultWrapper string // element around a query protocol's result
}

// Validation is how a service answers an input that breaks its model's constraints.
type Validation string

const (
	// BadRequestWithParameter is MSK's: BadRequestException with an invalidParameter member.
	BadRequestWithParameter Validation = "BadRequestException+invalidParameter"
	// BadRequest is BadRequestException with a message only.
	BadRequest Validation = "BadRequestException"
	// ValidationException is the awsJson services' usual answer.
	ValidationException Validation = "ValidationException"
	// InvalidParameterException is the answer of CloudWatch Logs.
	InvalidParameterException Validation = "InvalidParameterException"
	// ValidationError is the answer of the query services STS and IAM.
	ValidationError Validation = "ValidationError"
	// MissingOrInvalid is MissingParameter or InvalidParameterValue: CloudWatch's and EC2's.
	MissingOrInvalid Validation = "MissingParameter+InvalidParameterValue"
)

// Enum is implemented by every generated enumeration.
type Enum interface {
	EnumValues() []string
}
