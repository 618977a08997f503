package kms

// Role of an API key. Each may do what the ones below it may.
type Role string

// The roles.
const (
	RoleManager Role = "Manager" // deletes, restores, purges
	RoleWriter  Role = "Writer"  // creates, imports, rotates, reads a standard key's payload
	RoleReader  Role = "Reader"  // lists, reads metadata, wraps, unwraps
)

// Action is what a call asks for, by the name in the audit trail.
type Action string

// The actions.
const (
	ActionToken    Action = "token.issue"
	ActionList     Action = "keys.list"
	ActionCreate   Action = "keys.create"
	ActionImport   Action = "keys.import"
	ActionBulk     Action = "keys.bulk"
	ActionGet      Action = "keys.get"
	ActionMetadata Action = "keys.metadata"
	ActionVersions Action = "keys.versions"
	ActionDelete   Action = "keys.delete"
	ActionRestore  Action = "keys.restore"
	ActionMaterial Action = "keys.restore.material"
	ActionPurge    Action = "keys.purge"
	ActionRotate   Action = "keys.rotate"
	ActionWrap     Action = "keys.wrap"
	ActionUnwrap   Action = "keys.unwrap"
	ActionRewrap   Action = "keys.rewrap"

	// ActionUnprovenMaterial is ActionMaterial on the caller's word alone.
	ActionUnprovenMaterial Action = "keys.restore.material.unproven"
)

func (r Role) rank() int {
	switch r {
	case RoleManager:
		return 3
	case RoleWriter:
		return 2
	case RoleReader:
		return 1
	}
	return 0
}

// Valid is true for the three roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// needs is the lowest role that may do the action; an action that is not named here needs what nobody has.
func (a Action) needs() int {
	switch a {
	case ActionList, ActionMetadata, ActionVersions, ActionWrap, ActionUnwrap, ActionRewrap:
		return RoleReader.rank()
	case ActionCreate, ActionImport, ActionBulk, ActionGet, ActionRotate:
		return RoleWriter.rank()
	case ActionDelete, ActionRestore, ActionMaterial, ActionUnprovenMaterial, ActionPurge:
		return RoleManager.rank()
	case ActionToken: // asked for before anyone has a role
	}
	return RoleManager.rank() + 1
}

// May tells whether the role allows the action.
func (r Role) May(a Action) bool { return r.Valid() && r.rank() >= a.needs() }
