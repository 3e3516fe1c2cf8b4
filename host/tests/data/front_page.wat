(component
  (core module $main (;0;)
    (type (;0;) (func (param i32 i32 i32 i32) (result i32)))
    (type (;1;) (func (param i32) (result i32)))
    (type (;2;) (func (param i32)))
    (type (;3;) (func (param i32 i32)))
    (type (;4;) (func (result i64)))
    (type (;5;) (func (result i32)))
    (type (;6;) (func))
    (type (;7;) (func (param i32 i32) (result i32)))
    (memory (;0;) 32)
    (global $frame (;0;) (mut i32) i32.const 0)
    (global $rows (;1;) (mut i32) i32.const 0)
    (global $columns (;2;) (mut i32) i32.const 0)
    (global $row (;3;) (mut i32) i32.const 0)
    (global $column (;4;) (mut i32) i32.const 0)
    (global $satisfied (;5;) (mut i32) i32.const 0)
    (global $erring (;6;) (mut i32) i32.const 0)
    (global $outcomes (;7;) (mut i32) i32.const 0)
    (global $out (;8;) (mut i32) i32.const 0)
    (global $value_at (;9;) (mut i32) i32.const 0)
    (global $state_at (;10;) (mut i32) i32.const 0)
    (export "memory" (memory 0))
    (export "cabi_realloc" (func 0))
    (export "evaluate" (func 11))
    (export "cabi_post_evaluate" (func 12))
    (func (;0;) (type 0) (param i32 i32 i32) (param $new i32) (result i32)
      (local $pages i32)
      i32.const 17
      local.get $new
      i32.const 16
      i32.shr_u
      i32.add
      local.set $pages
      local.get $pages
      memory.size
      i32.gt_u
      if ;; label = @1
        i32.const -1
        local.get $pages
        memory.size
        i32.sub
        memory.grow
        i32.eq
        if ;; label = @2
          unreachable
        end
      end
      i32.const 1048576
    )
    (func $word (;1;) (type 1) (param $at i32) (result i32)
      global.get $frame
      local.get $at
      i32.const 3
      i32.shl
      i32.add
      i64.load
      i32.wrap_i64
    )
    (func $put (;2;) (type 2) (param $word i32)
      global.get $out
      local.get $word
      i32.store
      global.get $out
      i32.const 4
      i32.add
      global.set $out
    )
    (func $asked (;3;) (type 1) (param $id i32) (result i32)
      (local $i i32)
      loop $next
        i32.const 16
        local.get $i
        i32.add
        call $word
        local.get $id
        i32.eq
        if ;; label = @2
          i32.const 1
          return
        end
        local.get $i
        i32.const 1
        i32.add
        local.set $i
        local.get $i
        i32.const 3
        call $word
        i32.lt_u
        br_if $next
      end
      i32.const 0
    )
    (func $find (;4;) (type 3) (param $group i32) (param $k i32)
      (local $points i32) (local $point i32)
      i32.const 1
      local.set $points
      local.get $group
      i32.const 1
      i32.eq
      if ;; label = @1
        global.get $rows
        local.set $points
        global.get $row
        local.set $point
      end
      local.get $group
      i32.const 2
      i32.eq
      if ;; label = @1
        global.get $columns
        local.set $points
        global.get $column
        local.set $point
      end
      local.get $group
      i32.const 3
      i32.eq
      if ;; label = @1
        global.get $rows
        global.get $columns
        i32.mul
        local.set $points
        global.get $row
        global.get $columns
        i32.mul
        global.get $column
        i32.add
        local.set $point
      end
      local.get $point
      local.get $k
      local.get $points
      i32.mul
      i32.add
      local.set $point
      global.get $frame
      i32.const 5
      local.get $group
      i32.add
      call $word
      local.get $point
      i32.add
      i32.const 3
      i32.shl
      i32.add
      global.set $value_at
      global.get $frame
      local.get $point
      i32.const 9
      local.get $group
      i32.add
      call $word
      i32.const 3
      i32.shl
      i32.add
      i32.add
      global.set $state_at
    )
    (func $value (;5;) (type 4) (result i64)
      global.get $value_at
      i64.load
    )
    (func $missing (;6;) (type 5) (result i32)
      global.get $state_at
      i32.load8_u
    )
    (func $begin (;7;) (type 6)
      i32.const 0
      global.set $satisfied
      i32.const 0
      global.set $erring
    )
    (func $note (;8;) (type 3) (param $policy i32) (param $state i32)
      local.get $state
      i32.const 1
      i32.eq
      if ;; label = @1
        i32.const 8192
        global.get $satisfied
        i32.const 2
        i32.shl
        i32.add
        local.get $policy
        i32.store
        global.get $satisfied
        i32.const 1
        i32.add
        global.set $satisfied
      end
      local.get $state
      i32.const 2
      i32.eq
      if ;; label = @1
        i32.const 32768
        global.get $erring
        i32.const 2
        i32.shl
        i32.add
        local.get $policy
        i32.store
        global.get $erring
        i32.const 1
        i32.add
        global.set $erring
      end
    )
    (func $list (;9;) (type 3) (param $at i32) (param $count i32)
      block $done
        loop $next
          local.get $count
          i32.eqz
          br_if $done
          local.get $at
          i32.load
          call $put
          local.get $at
          i32.const 4
          i32.add
          local.set $at
          local.get $count
          i32.const 1
          i32.sub
          local.set $count
          br $next
        end
      end
    )
    (func $end (;10;) (type 6)
      global.get $satisfied
      call $put
      global.get $erring
      call $put
      i32.const 8192
      global.get $satisfied
      call $list
      i32.const 32768
      global.get $erring
      call $list
      global.get $outcomes
      i32.const 1
      i32.add
      global.set $outcomes
    )
    (func (;11;) (type 7) (param $frame i32) (param $length i32) (result i32)
      (local $state i32) (local $i i32)
      local.get $frame
      global.set $frame
      i32.const 1
      call $word
      global.set $rows
      i32.const 2
      call $word
      global.set $columns
      i32.const 0
      global.set $outcomes
      i32.const 65544
      global.set $out
      i32.const 0
      call $asked
      if ;; label = @1
        i32.const 0
        global.set $row
        block $rows_done
          loop $next_row
            global.get $row
            i32.const 1
            i32.ge_u
            br_if $rows_done
            i32.const 0
            global.set $column
            block $columns_done
              loop $next_column
                global.get $column
                i32.const 1
                i32.ge_u
                br_if $columns_done
                call $begin
                i32.const 1
                local.set $state
                block $done
                  i32.const 0
                  i32.const 0
                  call $find
                  call $missing
                  if ;; label = @7
                    i32.const 2
                    local.set $state
                    br $done
                  end
                  call $value
                  i64.const 0
                  i64.ne
                  i32.eqz
                  if ;; label = @7
                    i32.const 0
                    local.set $state
                    br $done
                  end
                end
                i32.const 0
                local.get $state
                call $note
                i32.const 1
                local.set $state
                block $done
                  i32.const 0
                  i32.const 1
                  call $find
                  call $missing
                  if ;; label = @7
                    i32.const 2
                    local.set $state
                    br $done
                  end
                  call $value
                  i64.const 60
                  i64.gt_s
                  i32.eqz
                  if ;; label = @7
                    i32.const 0
                    local.set $state
                    br $done
                  end
                end
                i32.const 1
                local.get $state
                call $note
                call $end
                global.get $column
                i32.const 1
                i32.add
                global.set $column
                br $next_column
              end
            end
            global.get $row
            i32.const 1
            i32.add
            global.set $row
            br $next_row
          end
        end
      end
      i32.const 1
      call $asked
      if ;; label = @1
        i32.const 0
        global.set $row
        block $rows_done
          loop $next_row
            global.get $row
            i32.const 1
            i32.ge_u
            br_if $rows_done
            i32.const 0
            global.set $column
            block $columns_done
              loop $next_column
                global.get $column
                i32.const 1
                i32.ge_u
                br_if $columns_done
                call $begin
                i32.const 1
                local.set $state
                block $done
                end
                i32.const 2
                local.get $state
                call $note
                call $end
                global.get $column
                i32.const 1
                i32.add
                global.set $column
                br $next_column
              end
            end
            global.get $row
            i32.const 1
            i32.add
            global.set $row
            br $next_row
          end
        end
      end
      i32.const 2
      call $asked
      if ;; label = @1
        i32.const 0
        global.set $row
        block $rows_done
          loop $next_row
            global.get $row
            i32.const 1
            i32.ge_u
            br_if $rows_done
            i32.const 0
            global.set $column
            block $columns_done
              loop $next_column
                global.get $column
                i32.const 1
                i32.ge_u
                br_if $columns_done
                call $begin
                call $end
                global.get $column
                i32.const 1
                i32.add
                global.set $column
                br $next_column
              end
            end
            global.get $row
            i32.const 1
            i32.add
            global.set $row
            br $next_row
          end
        end
      end
      i32.const 3
      call $asked
      if ;; label = @1
        i32.const 0
        global.set $row
        block $rows_done
          loop $next_row
            global.get $row
            i32.const 1
            i32.ge_u
            br_if $rows_done
            i32.const 0
            global.set $column
            block $columns_done
              loop $next_column
                global.get $column
                global.get $columns
                i32.ge_u
                br_if $columns_done
                call $begin
                i32.const 1
                local.set $state
                block $done
                  i32.const 2
                  i32.const 0
                  call $find
                  call $missing
                  if ;; label = @7
                    i32.const 2
                    local.set $state
                    br $done
                  end
                  call $value
                  i64.const 0
                  i64.ne
                  i32.eqz
                  if ;; label = @7
                    i32.const 0
                    local.set $state
                    br $done
                  end
                end
                i32.const 3
                local.get $state
                call $note
                call $end
                global.get $column
                i32.const 1
                i32.add
                global.set $column
                br $next_column
              end
            end
            global.get $row
            i32.const 1
            i32.add
            global.set $row
            br $next_row
          end
        end
      end
      i32.const 4
      call $asked
      if ;; label = @1
        i32.const 0
        global.set $row
        block $rows_done
          loop $next_row
            global.get $row
            i32.const 1
            i32.ge_u
            br_if $rows_done
            i32.const 0
            global.set $column
            block $columns_done
              loop $next_column
                global.get $column
                i32.const 1
                i32.ge_u
                br_if $columns_done
                call $begin
                call $end
                global.get $column
                i32.const 1
                i32.add
                global.set $column
                br $next_column
              end
            end
            global.get $row
            i32.const 1
            i32.add
            global.set $row
            br $next_row
          end
        end
      end
      i32.const 65536
      i32.const 1162297601
      i32.store
      i32.const 65540
      global.get $outcomes
      i32.store
      block $done
        loop $next
          local.get $i
          global.get $outcomes
          i32.ge_u
          br_if $done
          local.get $i
          call $put
          local.get $i
          i32.const 1
          i32.add
          local.set $i
          br $next
        end
      end
      i32.const 512
      i32.const 65536
      i32.store
      i32.const 516
      global.get $out
      i32.const 65536
      i32.sub
      i32.const 2
      i32.shr_u
      i32.store
      i32.const 512
    )
    (func (;12;) (type 2) (param i32))
    (@custom "exportgate:manifest" (after code) "{\22contract\22:{\22major\22:1,\22minor\22:1},\22producer\22:\22tests 0.1.0\22,\22name\22:\22front-page\22,\22version\22:\221.0.0\22,\22policies\22:[{\22id\22:\22support\22,\22effect\22:\22permit\22,\22annotations\22:{}},{\22id\22:\22daily-customers\22,\22effect\22:\22forbid\22,\22annotations\22:{\22reason\22:\22quota-24h\22}},{\22id\22:\22rows\22,\22effect\22:\22permit\22,\22annotations\22:{}},{\22id\22:\22contact-partial\22,\22effect\22:\22permit\22,\22annotations\22:{}}],\22symbols\22:[{\22entity\22:{\22type\22:\22Export::Role\22,\22id\22:\22support\22}},{\22entity\22:{\22type\22:\22Export::FieldClass\22,\22id\22:\22contact\22}}],\22inputs\22:[{\22name\22:\22agent\22,\22axis\22:\22job\22},{\22name\22:\22job\22,\22axis\22:\22job\22},{\22name\22:\22context.env\22,\22axis\22:\22job\22},{\22name\22:\22context.now\22,\22axis\22:\22job\22},{\22name\22:\22context.usage\22,\22axis\22:\22job\22},{\22name\22:\22context.tally\22,\22axis\22:\22job\22},{\22name\22:\22context.approvals\22,\22axis\22:\22job\22},{\22name\22:\22context.customers\22,\22axis\22:\22job\22},{\22name\22:\22context.fields\22,\22axis\22:\22job\22},{\22name\22:\22context.classes\22,\22axis\22:\22job\22},{\22name\22:\22customer\22,\22axis\22:\22row\22},{\22name\22:\22ticket\22,\22axis\22:\22row\22},{\22name\22:\22field\22,\22axis\22:\22column\22}],\22terms\22:[{\22input\22:0},{\22symbol\22:0},{\22input\22:4},{\22attribute\22:{\22of\22:2,\22name\22:\22customers24h\22}},{\22input\22:12},{\22symbol\22:1}],\22facts\22:[{\22axis\22:\22job\22,\22read\22:{\22in\22:{\22left\22:0,\22right\22:1}},\22type\22:\22bool\22,\22payload\22:false},{\22axis\22:\22job\22,\22read\22:{\22value\22:3},\22type\22:\22long\22,\22payload\22:false},{\22axis\22:\22column\22,\22read\22:{\22in\22:{\22left\22:4,\22right\22:5}},\22type\22:\22bool\22,\22payload\22:false}],\22questions\22:[{\22action\22:{\22type\22:\22Export::Action\22,\22id\22:\22export\22},\22principal\22:\22Export::Agent\22,\22resource\22:\22Export::Job\22,\22binding\22:{\22principal\22:0,\22resource\22:1,\22context\22:{\22attributes\22:{\22approvals\22:6,\22classes\22:9,\22customers\22:7,\22env\22:2,\22fields\22:8,\22now\22:3,\22tally\22:5,\22usage\22:4}}},\22axis\22:\22job\22,\22facts\22:[0,1],\22policies\22:[0,1]},{\22action\22:{\22type\22:\22Export::Action\22,\22id\22:\22include\22},\22principal\22:\22Export::Agent\22,\22resource\22:\22Export::Customer\22,\22binding\22:{\22principal\22:0,\22resource\22:10,\22context\22:{\22attributes\22:{\22approvals\22:6,\22classes\22:9,\22customers\22:7,\22env\22:2,\22fields\22:8,\22now\22:3,\22tally\22:5,\22ticket\22:11,\22usage\22:4}}},\22axis\22:\22job\22,\22facts\22:[],\22policies\22:[2]},{\22action\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_plain\22},\22principal\22:\22Export::Agent\22,\22resource\22:\22Export::Field\22,\22binding\22:{\22principal\22:0,\22resource\22:12,\22context\22:{\22attributes\22:{\22approvals\22:6,\22classes\22:9,\22customer\22:10,\22customers\22:7,\22env\22:2,\22fields\22:8,\22now\22:3,\22tally\22:5,\22ticket\22:11,\22usage\22:4}}},\22axis\22:\22job\22,\22facts\22:[],\22policies\22:[]},{\22action\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_partial\22},\22principal\22:\22Export::Agent\22,\22resource\22:\22Export::Field\22,\22binding\22:{\22principal\22:0,\22resource\22:12,\22context\22:{\22attributes\22:{\22approvals\22:6,\22classes\22:9,\22customer\22:10,\22customers\22:7,\22env\22:2,\22fields\22:8,\22now\22:3,\22tally\22:5,\22ticket\22:11,\22usage\22:4}}},\22axis\22:\22column\22,\22facts\22:[2],\22policies\22:[3]},{\22action\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_token\22},\22principal\22:\22Export::Agent\22,\22resource\22:\22Export::Field\22,\22binding\22:{\22principal\22:0,\22resource\22:12,\22context\22:{\22attributes\22:{\22approvals\22:6,\22classes\22:9,\22customer\22:10,\22customers\22:7,\22env\22:2,\22fields\22:8,\22now\22:3,\22tally\22:5,\22ticket\22:11,\22usage\22:4}}},\22axis\22:\22job\22,\22facts\22:[],\22policies\22:[]}],\22schema\22:{\22text\22:\22// front-page\5cn\22,\22sha256\22:\22fcd10fcf80f7e592e40327cb817c5f5c46f1cc499bcffb1a2221aa904d9f65cc\22,\22types\22:{\22entities\22:{\22Export::Agent\22:{\22attributes\22:{\22risk\22:{\22type\22:\22long\22,\22required\22:true}},\22parents\22:[\22Export::Role\22,\22Export::Team\22],\22tags\22:null,\22ids\22:null},\22Export::Customer\22:{\22attributes\22:{\22canary\22:{\22type\22:\22bool\22,\22required\22:true},\22hold\22:{\22type\22:\22bool\22,\22required\22:true}},\22parents\22:[\22Export::Segment\22],\22tags\22:null,\22ids\22:null},\22Export::Destination\22:{\22attributes\22:{},\22parents\22:[],\22tags\22:null,\22ids\22:null},\22Export::Field\22:{\22attributes\22:{},\22parents\22:[\22Export::FieldClass\22],\22tags\22:null,\22ids\22:null},\22Export::FieldClass\22:{\22attributes\22:{},\22parents\22:[\22Export::FieldClass\22],\22tags\22:null,\22ids\22:null},\22Export::Job\22:{\22attributes\22:{\22requester\22:{\22type\22:{\22entity\22:\22Export::Agent\22},\22required\22:true}},\22parents\22:[],\22tags\22:null,\22ids\22:null},\22Export::Role\22:{\22attributes\22:{},\22parents\22:[],\22tags\22:null,\22ids\22:null},\22Export::Segment\22:{\22attributes\22:{},\22parents\22:[],\22tags\22:null,\22ids\22:null},\22Export::Team\22:{\22attributes\22:{},\22parents\22:[\22Export::Vendor\22],\22tags\22:null,\22ids\22:null},\22Export::Ticket\22:{\22attributes\22:{\22open\22:{\22type\22:\22bool\22,\22required\22:true}},\22parents\22:[],\22tags\22:null,\22ids\22:null},\22Export::Vendor\22:{\22attributes\22:{},\22parents\22:[],\22tags\22:null,\22ids\22:null}},\22actions\22:[{\22uid\22:{\22type\22:\22Export::Action\22,\22id\22:\22export\22},\22groups\22:[],\22principals\22:[\22Export::Agent\22],\22resources\22:[\22Export::Job\22],\22context\22:{\22approvals\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22dataOwner\22:{\22type\22:\22bool\22,\22required\22:true},\22distinct\22:{\22type\22:\22long\22,\22required\22:true},\22operator\22:{\22type\22:\22bool\22,\22required\22:true},\22supervisor\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22classes\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::FieldClass\22}},\22required\22:true},\22customers\22:{\22type\22:\22long\22,\22required\22:true},\22env\22:{\22type\22:{\22record\22:{\22amount\22:{\22type\22:\22long\22,\22required\22:true},\22auth\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22phishingResistant\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22destination\22:{\22type\22:{\22entity\22:\22Export::Destination\22},\22required\22:true},\22managedDevice\22:{\22type\22:\22bool\22,\22required\22:true},\22network\22:{\22type\22:{\22record\22:{\22corporate\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22ok\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22fields\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::Field\22}},\22required\22:true},\22now\22:{\22type\22:\22datetime\22,\22required\22:true},\22tally\22:{\22type\22:{\22record\22:{}},\22required\22:true},\22usage\22:{\22type\22:{\22record\22:{\22customers24h\22:{\22type\22:\22long\22,\22required\22:true}}},\22required\22:true}}},{\22uid\22:{\22type\22:\22Export::Action\22,\22id\22:\22include\22},\22groups\22:[],\22principals\22:[\22Export::Agent\22],\22resources\22:[\22Export::Customer\22],\22context\22:{\22approvals\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22dataOwner\22:{\22type\22:\22bool\22,\22required\22:true},\22distinct\22:{\22type\22:\22long\22,\22required\22:true},\22operator\22:{\22type\22:\22bool\22,\22required\22:true},\22supervisor\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22classes\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::FieldClass\22}},\22required\22:true},\22customers\22:{\22type\22:\22long\22,\22required\22:true},\22env\22:{\22type\22:{\22record\22:{\22amount\22:{\22type\22:\22long\22,\22required\22:true},\22auth\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22phishingResistant\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22destination\22:{\22type\22:{\22entity\22:\22Export::Destination\22},\22required\22:true},\22managedDevice\22:{\22type\22:\22bool\22,\22required\22:true},\22network\22:{\22type\22:{\22record\22:{\22corporate\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22ok\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22fields\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::Field\22}},\22required\22:true},\22now\22:{\22type\22:\22datetime\22,\22required\22:true},\22tally\22:{\22type\22:{\22record\22:{}},\22required\22:true},\22ticket\22:{\22type\22:{\22entity\22:\22Export::Ticket\22},\22required\22:false},\22usage\22:{\22type\22:{\22record\22:{\22customers24h\22:{\22type\22:\22long\22,\22required\22:true}}},\22required\22:true}}},{\22uid\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_partial\22},\22groups\22:[{\22type\22:\22Export::Action\22,\22id\22:\22reveal\22}],\22principals\22:[\22Export::Agent\22],\22resources\22:[\22Export::Field\22],\22context\22:{\22approvals\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22dataOwner\22:{\22type\22:\22bool\22,\22required\22:true},\22distinct\22:{\22type\22:\22long\22,\22required\22:true},\22operator\22:{\22type\22:\22bool\22,\22required\22:true},\22supervisor\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22classes\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::FieldClass\22}},\22required\22:true},\22customer\22:{\22type\22:{\22entity\22:\22Export::Customer\22},\22required\22:true},\22customers\22:{\22type\22:\22long\22,\22required\22:true},\22env\22:{\22type\22:{\22record\22:{\22amount\22:{\22type\22:\22long\22,\22required\22:true},\22auth\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22phishingResistant\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22destination\22:{\22type\22:{\22entity\22:\22Export::Destination\22},\22required\22:true},\22managedDevice\22:{\22type\22:\22bool\22,\22required\22:true},\22network\22:{\22type\22:{\22record\22:{\22corporate\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22ok\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22fields\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::Field\22}},\22required\22:true},\22now\22:{\22type\22:\22datetime\22,\22required\22:true},\22tally\22:{\22type\22:{\22record\22:{}},\22required\22:true},\22ticket\22:{\22type\22:{\22entity\22:\22Export::Ticket\22},\22required\22:false},\22usage\22:{\22type\22:{\22record\22:{\22customers24h\22:{\22type\22:\22long\22,\22required\22:true}}},\22required\22:true}}},{\22uid\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_plain\22},\22groups\22:[{\22type\22:\22Export::Action\22,\22id\22:\22reveal\22}],\22principals\22:[\22Export::Agent\22],\22resources\22:[\22Export::Field\22],\22context\22:{\22approvals\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22dataOwner\22:{\22type\22:\22bool\22,\22required\22:true},\22distinct\22:{\22type\22:\22long\22,\22required\22:true},\22operator\22:{\22type\22:\22bool\22,\22required\22:true},\22supervisor\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22classes\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::FieldClass\22}},\22required\22:true},\22customer\22:{\22type\22:{\22entity\22:\22Export::Customer\22},\22required\22:true},\22customers\22:{\22type\22:\22long\22,\22required\22:true},\22env\22:{\22type\22:{\22record\22:{\22amount\22:{\22type\22:\22long\22,\22required\22:true},\22auth\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22phishingResistant\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22destination\22:{\22type\22:{\22entity\22:\22Export::Destination\22},\22required\22:true},\22managedDevice\22:{\22type\22:\22bool\22,\22required\22:true},\22network\22:{\22type\22:{\22record\22:{\22corporate\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22ok\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22fields\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::Field\22}},\22required\22:true},\22now\22:{\22type\22:\22datetime\22,\22required\22:true},\22tally\22:{\22type\22:{\22record\22:{}},\22required\22:true},\22ticket\22:{\22type\22:{\22entity\22:\22Export::Ticket\22},\22required\22:false},\22usage\22:{\22type\22:{\22record\22:{\22customers24h\22:{\22type\22:\22long\22,\22required\22:true}}},\22required\22:true}}},{\22uid\22:{\22type\22:\22Export::Action\22,\22id\22:\22reveal_token\22},\22groups\22:[{\22type\22:\22Export::Action\22,\22id\22:\22reveal\22}],\22principals\22:[\22Export::Agent\22],\22resources\22:[\22Export::Field\22],\22context\22:{\22approvals\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22dataOwner\22:{\22type\22:\22bool\22,\22required\22:true},\22distinct\22:{\22type\22:\22long\22,\22required\22:true},\22operator\22:{\22type\22:\22bool\22,\22required\22:true},\22supervisor\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22classes\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::FieldClass\22}},\22required\22:true},\22customer\22:{\22type\22:{\22entity\22:\22Export::Customer\22},\22required\22:true},\22customers\22:{\22type\22:\22long\22,\22required\22:true},\22env\22:{\22type\22:{\22record\22:{\22amount\22:{\22type\22:\22long\22,\22required\22:true},\22auth\22:{\22type\22:{\22record\22:{\22ageSec\22:{\22type\22:\22long\22,\22required\22:true},\22phishingResistant\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22destination\22:{\22type\22:{\22entity\22:\22Export::Destination\22},\22required\22:true},\22managedDevice\22:{\22type\22:\22bool\22,\22required\22:true},\22network\22:{\22type\22:{\22record\22:{\22corporate\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22ok\22:{\22type\22:\22bool\22,\22required\22:true}}},\22required\22:true},\22fields\22:{\22type\22:{\22set\22:{\22entity\22:\22Export::Field\22}},\22required\22:true},\22now\22:{\22type\22:\22datetime\22,\22required\22:true},\22tally\22:{\22type\22:{\22record\22:{}},\22required\22:true},\22ticket\22:{\22type\22:{\22entity\22:\22Export::Ticket\22},\22required\22:false},\22usage\22:{\22type\22:{\22record\22:{\22customers24h\22:{\22type\22:\22long\22,\22required\22:true}}},\22required\22:true}}}]}},\22catalogue\22:{\22sha256\22:\220000000000000000000000000000000000000000000000000000000000000000\22,\22fields\22:{\22card\22:{\22classes\22:[\22payment\22],\22attributes\22:{},\22description\22:\22\22},\22customer.email\22:{\22classes\22:[\22contact\22],\22attributes\22:{},\22description\22:\22\22},\22customer.name\22:{\22classes\22:[\22contact\22],\22attributes\22:{},\22description\22:\22\22}},\22classes\22:{\22payment\22:[\22restricted\22]}},\22sources\22:[],\22cost\22:{\22call\22:0,\22point\22:0}}")
    (@producers
      (processed-by "wit-component" "0.254.2")
    )
  )
  (core instance $main (;0;) (instantiate $main))
  (alias core export $main "memory" (core memory $memory (;0;)))
  (type (;0;) (list u64))
  (type (;1;) (list u32))
  (type (;2;) (func (param "frame" 0) (result 1)))
  (alias core export $main "evaluate" (core func $evaluate (;0;)))
  (alias core export $main "cabi_realloc" (core func $cabi_realloc (;1;)))
  (alias core export $main "cabi_post_evaluate" (core func $cabi_post_evaluate (;2;)))
  (func $evaluate (;0;) (type 2) (canon lift (core func $evaluate) (memory $memory) (realloc $cabi_realloc) (post-return $cabi_post_evaluate)))
  (export $"#func1 evaluate" (@name "evaluate") (;1;) "evaluate" (func $evaluate))
  (@producers
    (processed-by "wit-component" "0.254.2")
  )
)
