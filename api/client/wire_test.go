package client

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew: a change in them is a change of the wire format")

// wireTypes is every type that travels, by the name of its golden file.
func wireTypes() map[string]any {
	return map[string]any{
		"status": &Status{}, "members": &Members{}, "bootstrapped": &Bootstrapped{}, "join_request": &JoinRequest{},
		"remove_request": &RemoveRequest{}, "transfer_request": &TransferRequest{}, "done": &Done{},
		"digest_report": &DigestReport{}, "log": &Log{}, "tokens": &Tokens{}, "create_token_request": &CreateTokenRequest{},
		"created_token": &CreatedToken{}, "units": &Units{}, "unit_answer": &UnitAnswer{},
		"set_administrators_request": &SetAdministratorsRequest{}, "order_context": &OrderContext{},
		"zeroize_request": &ZeroizeRequest{}, "zeroized": &Zeroized{},
		"submit_order_request": &SubmitOrderRequest{}, "submitted_order": &SubmittedOrder{},
		"approval_request": &ApprovalRequest{}, "dry_run": &DryRun{}, "rotation_status": &RotationStatus{},
		"rotations": &Rotations{}, "receipt": &Receipt{}, "api_keys": &APIKeys{},
		"create_api_key_request": &CreateAPIKeyRequest{}, "created_api_key": &CreatedAPIKey{}, "error": &ErrorBody{},
	}
}

func TestWireTypesKeepTheirGoldenForm(t *testing.T) {
	for name, value := range wireTypes() {
		t.Run(name, func(t *testing.T) {
			count := 0
			fill(reflect.ValueOf(value).Elem(), &count)
			got, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("testdata", "wire", name+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: run the test with -update after a change of the wire format", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s changed on the wire:\n%s\nwant\n%s", name, got, want)
			}
			back := reflect.New(reflect.TypeOf(value).Elem())
			decoder := json.NewDecoder(bytes.NewReader(want))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(back.Interface()); err != nil {
				t.Fatal(err)
			}
			again, err := json.MarshalIndent(back.Interface(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(again, '\n'), want) {
				t.Errorf("%s does not come back as it went:\n%s", name, again)
			}
		})
	}
}

func TestEveryGoldenFileHasItsType(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	types := wireTypes()
	for _, file := range files {
		name := filepath.Base(file[:len(file)-len(".json")])
		if types[name] == nil {
			t.Errorf("%s belongs to no wire type: remove it", file)
		}
	}
}

// fill gives every field a value of its own, so that a golden file shows each name once and no field is left out.
func fill(v reflect.Value, count *int) {
	*count++
	n := *count
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, n%60, 0, time.UTC)))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"order":"AQID"}`)))
		return
	case []byte:
		v.SetBytes([]byte{byte(n), 2, 3})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(v.Field(i), count)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), count)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), count)
	case reflect.String:
		v.SetString("s" + string(rune('a'+n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Float64:
		v.SetFloat(float64(n) + 0.5)
	default:
		panic("a wire type has a field of kind " + v.Kind().String())
	}
}
